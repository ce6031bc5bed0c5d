"""Train models that are too large for one GPU's optimizer state."""

from typing import Any

from mmengine.hooks import EMAHook
from mmengine.model import is_model_wrapper
from torch import nn

from handvit.engine.hand_runner import HandRunner
from handvit.engine.sharded_state import sharded_optimizer_state, whole_state
from handvit.registry import RUNNERS


@RUNNERS.register_module()
class FullyShardedRunner(HandRunner):
    """HandRunner whose processes share weights, gradients and optimizer state.

    ``runner_type = "FullyShardedRunner"`` is all that a recipe needs. Checkpoints are whole: they
    can be tested and resumed by either runner on any number of processes. With one process, where
    there is nobody to share with, it is HandRunner.
    """

    def wrap_model(self, model_wrapper_cfg: dict[str, Any] | None, model: nn.Module) -> nn.Module:
        """Shard the model; ``model_wrapper_cfg`` has arguments of ``FullyShardedModel``."""
        settings = {"type": "handvit.FullyShardedModel", **(model_wrapper_cfg or {})}
        return super().wrap_model(settings, model)

    def save_checkpoint(self, *arguments: Any, **settings: Any) -> None:
        """Save whole weights, averages and moments; all processes must call it."""
        model = self.model.module if is_model_wrapper(self.model) else self.model
        averages = [hook.ema_model for hook in self.hooks if isinstance(hook, EMAHook)]
        with whole_state(model, *averages, self.optim_wrapper.optimizer):
            super().save_checkpoint(*arguments, **settings)

    def resume(self, filename: str, **settings: Any) -> None:
        """Continue from a checkpoint of a whole model; all processes must call it."""
        self.optim_wrapper = self.build_optim_wrapper(self.optim_wrapper)
        with sharded_optimizer_state(self.optim_wrapper.optimizer):
            super().resume(filename, **settings)

    def _init_model_weights(self) -> None:
        """Do nothing: weights were drawn when the model was built, and shared before sharding."""
