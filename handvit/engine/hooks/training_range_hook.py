"""Let every checkpoint say what its weights have seen."""

from typing import Any

from mmengine.hooks import Hook
from mmengine.runner import Runner

from handvit.datasets.training_range import measure_range
from handvit.registry import HOOKS


@HOOKS.register_module()
class TrainingRangeHook(Hook):
    """Store the range of the training data in the ``meta`` of checkpoints, as ``training_range``.

    It is a list with one entry for each training that made the weights: stage 2 goes on from stage
    1, and its frozen parts know what stage 1 saw. See ``measure_range`` for an entry.
    """

    def __init__(self) -> None:
        """Begin with no training."""
        self._earlier: list[dict[str, Any] | None] = []
        self._own: dict[str, Any] | None = None

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict[str, Any]) -> None:
        """Keep what the loaded weights saw; a resumed run is the last of its list itself."""
        trainings = checkpoint["meta"].get("training_range", [])
        self._earlier = trainings[:-1] if runner._resume else trainings

    def before_train(self, runner: Runner) -> None:
        """Measure the training data."""
        self._own = measure_range(runner.train_dataloader.dataset)

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict[str, Any]) -> None:
        """Add the list."""
        checkpoint["meta"]["training_range"] = [*self._earlier, self._own]
