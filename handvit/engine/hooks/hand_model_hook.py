"""Keep results of different hand models apart.

Betas, poses and even keypoints mean different things for MANO and for the open hand, so the hand
model in use is logged, stored in every checkpoint, and compared with data and checkpoints.
"""

from typing import Any

from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner

from handvit.registry import HOOKS


@HOOKS.register_module()
class HandModelHook(Hook):
    """Log, store and compare the identity of the model's hand model."""

    def before_run(self, runner: Runner) -> None:
        """Log which hand model is in use."""
        runner.logger.info(f"Hand model: {_identity(runner)}")

    def before_train(self, runner: Runner) -> None:
        """Compare with the training data."""
        self._check_data(runner, runner.train_loop)

    def before_val(self, runner: Runner) -> None:
        """Compare with the validation data."""
        self._check_data(runner, runner.val_loop)

    def before_test(self, runner: Runner) -> None:
        """Compare with the test data."""
        self._check_data(runner, runner.test_loop)

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict[str, Any]) -> None:
        """Store the identity in the checkpoint's ``meta``."""
        checkpoint["meta"]["hand_model"] = _identity(runner)

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict[str, Any]) -> None:
        """Refuse weights that were trained for another hand model."""
        stored = checkpoint.get("meta", {}).get("hand_model")
        if stored != _identity(runner):
            raise ValueError(
                f"checkpoint: trained with hand model {stored}, but the config's is"
                f" {_identity(runner)}; set model.hand_model to the same asset"
            )

    def _check_data(self, runner: Runner, loop: Any) -> None:
        meta = loop.dataloader.dataset.metainfo
        name = _identity(runner).split(":")[0]
        if meta["hand_model"] not in (None, name):
            raise ValueError(
                f"data set {meta['name']!r} has labels of hand model {meta['hand_model']!r}, but"
                f" the config's is {name!r}; their poses and shapes are not interchangeable"
            )


def _identity(runner: Runner) -> str:
    model = runner.model.module if is_model_wrapper(runner.model) else runner.model
    return model.hand_model.identity
