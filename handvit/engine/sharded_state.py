"""Put the parts of a sharded model together for checkpoints, and take it apart after loading.

A checkpoint of a sharded model is the same file as one of a whole model. Each process reads all of
it and keeps its part, so it does not matter how many processes wrote it.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain
from typing import Any

from mmengine.dist import is_main_process
from mmengine.utils import apply_to
from torch import Tensor, nn
from torch.distributed.tensor import DTensor, distribute_tensor
from torch.optim import Optimizer


@contextmanager
def whole_state(*owners: nn.Module | Optimizer) -> Iterator[None]:
    """Let state dicts have whole tensors inside, on the CPU of the main process, and others None.

    All processes must enter it; inside, the main process may act alone.
    """
    states = [_gather(owner.state_dict()) for owner in owners]
    hooks = [
        owner.register_state_dict_post_hook(lambda _, own, *rest, whole=whole: own.update(whole))
        for owner, whole in zip(owners, states, strict=True)
    ]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


@contextmanager
def sharded_optimizer_state(optimizer: Optimizer) -> Iterator[None]:
    """Let the optimizer take the state of a whole model inside; all processes must load it."""
    hook = optimizer.register_load_state_dict_pre_hook(_shard_optimizer_state)
    try:
        yield
    finally:
        hook.remove()


def shard_weights(
    module: nn.Module, state_dict: dict[str, Tensor], prefix: str, *rest: Any
) -> None:
    """Replace whole tensors by what the module has of them: a hook before ``load_state_dict``."""
    for name, parameter in module.named_parameters(prefix.removesuffix(".")):
        if name in state_dict:
            state_dict[name] = _shard_like(parameter, state_dict[name])


def copy_weights(module: nn.Module, memo: dict[int, Any]) -> nn.Module:
    """Return modules of the same names with copies of all weights and buffers, and no more.

    It stands in for ``__deepcopy__``, which torch refuses to sharded modules: an average of the
    weights needs just these, each process its own part.
    """
    copy = _copy_tree(module)
    copy.register_load_state_dict_pre_hook(shard_weights)
    return copy


def _shard_optimizer_state(optimizer: Optimizer, state_dict: dict[str, Any]) -> dict[str, Any]:
    """Do the same for all of the state that has the shape of its parameter, such as moments."""
    numbers = chain.from_iterable(group["params"] for group in state_dict["param_groups"])
    parameters = chain.from_iterable(group["params"] for group in optimizer.param_groups)
    state = {
        number: {
            name: _shard_like(parameter, value) if _has_shape(value, parameter) else value
            for name, value in state_dict["state"].get(number, {}).items()
        }
        for number, parameter in zip(numbers, parameters, strict=True)
    }
    return {**state_dict, "state": state}


def _copy_tree(module: nn.Module) -> nn.Module:
    copy = nn.Module()
    for name, parameter in module.named_parameters(recurse=False):
        copy.register_parameter(name, nn.Parameter(parameter.detach().clone()))
    for name, value in module.named_buffers(recurse=False):
        is_saved = name not in module._non_persistent_buffers_set
        copy.register_buffer(name, value.clone(), persistent=is_saved)
    for name, child in module.named_children():
        copy.add_module(name, _copy_tree(child))
    return copy


def _gather(state: dict[str, Any]) -> dict[str, Any]:
    """Put together one tensor after the other, so that no GPU holds many whole ones."""
    return apply_to(state, lambda value: isinstance(value, DTensor), _whole)


def _whole(value: DTensor) -> Tensor | None:
    whole = value.full_tensor()
    return whole.cpu() if is_main_process() else None


def _shard_like(parameter: Tensor, value: Tensor) -> Tensor:
    """Keep this process's part of a tensor; the parts come from the first process."""
    if isinstance(value, DTensor) or not isinstance(parameter, DTensor):
        return value
    return distribute_tensor(value, parameter.device_mesh, parameter.placements)


def _has_shape(value: Any, parameter: Tensor) -> bool:
    return isinstance(value, Tensor) and value.shape == parameter.shape
