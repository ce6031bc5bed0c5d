"""Train without dropout at first, when noise only delays what is easy to learn."""

from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner
from torch import nn

from handvit.registry import HOOKS


@HOOKS.register_module()
class DropoutWarmupHook(Hook):
    """Keep the dropout of one part at zero for the first iterations of a training.

    What is in force follows from the iteration alone, so nothing is stored in checkpoints.
    """

    def __init__(self, *, part: str = "head", num_iters: int = 10_000) -> None:
        """Set what is warmed up, and for how long.

        Args:
            part: top-level part of the model; all its ``nn.Dropout`` modules are meant.
            num_iters: iterations without dropout, counted from the start of the training, also of
                one that is resumed.
        """
        self.part = part
        self.num_iters = num_iters
        self._configured: dict[nn.Dropout, float] = {}

    def before_train(self, runner: Runner) -> None:
        """Note the configured dropout, which a training that broke off has left at zero.

        Raises:
            ValueError: the model has no such part, or the part has no dropout.
        """
        self.after_train(runner)
        model = runner.model.module if is_model_wrapper(runner.model) else runner.model
        parts = dict(model.named_children())
        if self.part not in parts:
            raise ValueError(
                f"DropoutWarmupHook.part: the model has no part {self.part!r};"
                f" it has {', '.join(parts)}"
            )
        modules = parts[self.part].modules()
        self._configured = {m: m.p for m in modules if isinstance(m, nn.Dropout)}
        if not self._configured:
            raise ValueError(
                f"DropoutWarmupHook.part: the model's {self.part!r} has no nn.Dropout;"
                " name another part, or remove the hook"
            )

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: object = None) -> None:
        """Set what this iteration uses."""
        is_warm = runner.iter >= self.num_iters
        for module, p in self._configured.items():
            module.p = p if is_warm else 0.0

    def after_train(self, runner: Runner) -> None:
        """Leave the model as it was configured, however short the training was."""
        for module, p in self._configured.items():
            module.p = p
        self._configured = {}
