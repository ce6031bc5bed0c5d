"""Average the weights while training; the average is what is validated and saved."""

from typing import Any

from mmengine.hooks import EMAHook
from mmengine.runner import Runner
from mmengine.runner.checkpoint import weights_to_cpu

from handvit.registry import HOOKS


@HOOKS.register_module()
class HandEMAHook(EMAHook):
    """MMEngine's hook, which takes the same arguments, without weights of its own to load.

    In MMEngine 0.10 the average is built before the model has its weights and loads them itself,
    leniently, from names as they are in the file. Where HandRunner accepts or refuses otherwise,
    a test measures untrained weights, or an error hides behind another one. Here the average is
    built as a copy of the loaded model when training begins, and a test knows no average.

    Only a resumed run continues an average: the checkpoint's ``state_dict`` holds the average, and
    its ``ema_state_dict`` the weights that the optimizer moves. Where ``runner.train()`` is called
    again after Ctrl-C, as in a notebook, it goes on with the average that it has.
    """

    def __init__(self, ema_type: str = "ExponentialMovingAverage", **settings: Any) -> None:
        """Take what MMEngine's hook takes."""
        super().__init__(ema_type, **settings)
        self.ema_model = None
        self._is_swapped = False  # the model holds the average, to be validated or tested
        self._resumed_state: dict[str, Any] | None = None

    def before_run(self, runner: Runner) -> None:
        """Wait: the model has no weights yet."""

    def before_train(self, runner: Runner) -> None:
        """Copy the model if there is no average yet, and continue the average of a resumed run."""
        self._take_back()
        if self.ema_model is None:
            super().before_run(runner)
        super().before_train(runner)
        if self._resumed_state is not None:
            self.ema_model.load_state_dict(self._resumed_state, strict=True)
            self._resumed_state = None

    def before_val_epoch(self, runner: Runner) -> None:
        """Validate the average."""
        self._take_back()
        super().before_val_epoch(runner)

    def before_test_epoch(self, runner: Runner) -> None:
        """Test the average."""
        self._take_back()
        super().before_test_epoch(runner)

    def before_preemption(self, runner: Runner) -> None:
        """Give the model its own weights, which are to be saved in the midst of a validation."""
        self._take_back()

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict[str, Any]) -> None:
        """Save the average as the model's weights, on the CPU as MMEngine saves those."""
        super().before_save_checkpoint(runner, checkpoint)
        checkpoint["state_dict"] = weights_to_cpu(checkpoint["state_dict"])

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict[str, Any]) -> None:
        """Give a resumed model the weights that the optimizer moved, and keep the average."""
        if not runner._resume:
            return
        if "ema_state_dict" not in checkpoint:
            runner.logger.warning(
                "checkpoint: holds no average of weights; the average starts at iteration"
                f" {checkpoint['meta']['iter'] + 1}"
            )
            return
        self._swap_ema_state_dict(checkpoint)
        self._resumed_state = checkpoint["ema_state_dict"]

    def _take_back(self) -> None:
        """Give the model its own weights if a validation or test broke off before it did so."""
        if self._is_swapped:
            self._swap_ema_parameters()

    def _swap_ema_parameters(self) -> None:
        """Do nothing in a test or validation without training."""
        if self.ema_model is not None:
            super()._swap_ema_parameters()
            self._is_swapped = not self._is_swapped
