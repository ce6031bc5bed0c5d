"""Share a model's weights, gradients and optimizer state out to all processes."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from mmengine.device import get_device
from mmengine.dist import broadcast, get_world_size
from mmengine.optim import OptimWrapper
from torch import Tensor, nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import MixedPrecisionPolicy, fully_shard

from handvit.engine.sharded_state import copy_weights, shard_weights
from handvit.registry import MODEL_WRAPPERS


@MODEL_WRAPPERS.register_module()
class FullyShardedModel(nn.Module):
    """Wrap torch's ``fully_shard`` for MMEngine (Zhao et al., PyTorch FSDP, 2023).

    Each block of the backbone is put together from all processes when its turn comes, and all else
    at the beginning of a step. Results are those of data parallelism; buffers stay whole.
    """

    def __init__(self, module: nn.Module, *, bf16: bool = False) -> None:
        """Shard a model in place.

        Args:
            module: a model with a ``backbone``, the same in all processes.
            bf16: send the backbone's blocks as bfloat16, which halves the traffic, and run all
                steps under bfloat16 autocast. Gradients are summed, and the weights that the
                optimizer moves are kept, in float32.
        """
        super().__init__()
        for value in module.state_dict().values():
            broadcast(value)
        self.module = module
        self._device = torch.device(get_device()).type
        self._is_bf16 = bf16
        mesh = init_device_mesh(self._device, (get_world_size(),))
        # Inputs keep float32, as under autocast alone: it is the residual that must not be rounded.
        precision = MixedPrecisionPolicy(
            param_dtype=torch.bfloat16 if bf16 else None,
            reduce_dtype=torch.float32,
            cast_forward_inputs=False,
        )
        for block in find_listed_blocks(module.backbone):
            norms = [inner for inner in block.modules() if isinstance(inner, nn.LayerNorm)]
            if bf16 and norms:
                fully_shard(norms, mesh=mesh)
            fully_shard(block, mesh=mesh, mp_policy=precision)
        fully_shard(module, mesh=mesh)
        module.register_load_state_dict_pre_hook(shard_weights)
        type(module).__deepcopy__ = copy_weights  # of the class that fully_shard has made for it

    def forward(self, *arguments: Any, **settings: Any) -> Any:
        """Run the model."""
        with self._autocast():
            return self.module(*arguments, **settings)

    def train_step(self, data: Any, optim_wrapper: OptimWrapper) -> dict[str, Tensor]:
        """Learn from one batch; return what to log."""
        # While gradients accumulate, they stay whole and are not sent.
        self.module.set_requires_gradient_sync(optim_wrapper.should_sync())
        with optim_wrapper.optim_context(self):
            losses = self(**self.module.data_preprocessor(data, training=True), mode="loss")
        loss, logged = self.module.parse_losses(losses)
        optim_wrapper.update_params(loss)
        return logged

    def val_step(self, data: Any) -> list[Any]:
        """Predict one batch; every process must predict equally many."""
        with self._autocast():
            predictions = self.module.val_step(data)
        self.module.reshard()  # else a step would go on with these weights, whatever they are then
        return predictions

    def test_step(self, data: Any) -> list[Any]:
        """Predict one batch; every process must predict equally many."""
        return self.val_step(data)

    def _autocast(self) -> AbstractContextManager:
        return torch.autocast(self._device, torch.bfloat16) if self._is_bf16 else nullcontext()


def find_listed_blocks(backbone: nn.Module) -> Iterator[nn.Module]:
    """Yield the members of module lists that hold no other list, such as a transformer's blocks.

    Blocks in stages are found one by one.
    """
    for modules in backbone.modules():
        if isinstance(modules, nn.ModuleList):
            yield from (block for block in modules if not _has_list(block))


def _has_list(module: nn.Module) -> bool:
    return any(isinstance(inner, nn.ModuleList) for inner in module.modules())
