"""Keep results of different hand models apart.

Betas, poses and even keypoints mean different things for MANO and for the open hand, so the hand
model in use is logged, stored in every checkpoint, and compared with data and checkpoints.
"""

from importlib.metadata import version
from typing import Any

from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner
from torch import nn

from handvit.registry import HOOKS


@HOOKS.register_module()
class HandModelHook(Hook):
    """Log, store and compare the identity of the model's hand model.

    Labels or metrics of another hand model are an error. Labels with other finger tips than the
    model's are a warning, because mixtures of real data sets cannot avoid them.
    """

    def before_run(self, runner: Runner) -> None:
        """Log which hand model is in use."""
        runner.logger.info(f"Hand model: {_hand_model(runner).identity}")

    def before_train(self, runner: Runner) -> None:
        """Compare with the training data, and with what validation will use."""
        self._check_data(runner, runner.train_loop)
        if runner.val_loop is not None:
            self.before_val(runner)

    def before_val(self, runner: Runner) -> None:
        """Compare with the validation data and metrics."""
        self._check_data(runner, runner.val_loop)
        self._check_metrics(runner, runner.val_loop)

    def before_test(self, runner: Runner) -> None:
        """Compare with the test data and metrics."""
        self._check_data(runner, runner.test_loop)
        self._check_metrics(runner, runner.test_loop)

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict[str, Any]) -> None:
        """Store the identity in the checkpoint's ``meta``, and who named the weights."""
        checkpoint["meta"]["hand_model"] = _hand_model(runner).identity
        checkpoint["meta"]["transformers"] = version("transformers")

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict[str, Any]) -> None:
        """Refuse weights that were trained for another hand model."""
        stored, own = checkpoint["meta"].get("hand_model"), _hand_model(runner).identity
        if stored != own:
            raise ValueError(
                f"checkpoint: trained with hand model {stored}, but the config's is {own};"
                " set model.hand_model to the same asset"
            )

    def _check_data(self, runner: Runner, loop: Any) -> None:
        meta = loop.dataloader.dataset.metainfo
        hand_model = _hand_model(runner)
        name = hand_model.identity.split(":")[0]
        if meta["hand_model"] not in (None, name):
            raise ValueError(
                f"data set {meta['name']!r} has labels of hand model {meta['hand_model']!r}, but"
                f" the config's is {name!r}; their poses and shapes are not interchangeable"
            )
        for part in meta.get("datasets", [meta]):
            if part["fingertips"] not in (None, hand_model.fingertips):
                runner.logger.warning(
                    f"data set {part['name']!r}: its finger tips are the {part['fingertips']!r}"
                    f" vertices, the model's are {hand_model.fingertips!r}; they differ by"
                    " millimetres. Set model.hand_model.fingertips if this is your only data set"
                )

    def _check_metrics(self, runner: Runner, loop: Any) -> None:
        own = _hand_model(runner).identity
        for metric in loop.evaluator.metrics:
            theirs = getattr(metric, "hand_model_identity", own)
            if theirs not in ("", own):
                raise ValueError(
                    f"{type(metric).__name__}: its hand model is {theirs}, the model's is {own};"
                    " give the evaluator and model.hand_model the same source"
                )
            metric.hand_model_identity = own


def _hand_model(runner: Runner) -> nn.Module:
    model = runner.model.module if is_model_wrapper(runner.model) else runner.model
    return model.hand_model
