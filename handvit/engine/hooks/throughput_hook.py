"""Say how fast a training is, and whether it waits for its data."""

from collections import deque
from time import perf_counter
from typing import NamedTuple

from mmengine.hooks import Hook
from mmengine.runner import Runner

from handvit.registry import HOOKS


class Cycle(NamedTuple):
    """Time from the begin of one iteration to that of the next one, in seconds."""

    total: float
    waiting: float  # for the next one's data


@HOOKS.register_module()
class ThroughputHook(Hook):
    """Log ``samples_per_s`` of all processes, and ``data_share``, the part of it spent waiting.

    Both are of the last ``window`` iterations. Checkpoints count as training, validations do not
    count at all. MMEngine's ``data_time`` is no measure of the loader, as both are part of it where
    they happen. The clock is this process's, so nothing waits for the device.
    """

    priority = "LOWEST"  # behind all other hooks, so that waiting begins when they are done

    def __init__(self, *, window: int = 50) -> None:
        """Set over how many iterations to average."""
        self._cycles: deque[Cycle] = deque(maxlen=window)
        self._began: float | None = None  # the current iteration
        self._idle_since = 0.0
        self._validating_since = 0.0

    def before_train(self, runner: Runner) -> None:
        """Begin anew: the first iteration is slower than others, and has none before it."""
        self._cycles.clear()
        self._began = None

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: object = None) -> None:
        """Take the time of the cycle that ends here, and log the average."""
        now = perf_counter()
        if self._began is not None:
            self._cycles.append(Cycle(now - self._began, now - self._idle_since))
            total = sum(cycle.total for cycle in self._cycles)
            waiting = sum(cycle.waiting for cycle in self._cycles)
            num_samples = runner.train_dataloader.batch_size * runner.world_size * len(self._cycles)
            runner.message_hub.update_scalar("train/samples_per_s", num_samples / total)
            runner.message_hub.update_scalar("train/data_share", waiting / total)
        self._began = now

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: object = None, outputs: object = None
    ) -> None:
        """Begin to wait."""
        self._idle_since = perf_counter()

    def before_val(self, runner: Runner) -> None:
        """Stop the clock."""
        self._validating_since = perf_counter()

    def after_val(self, runner: Runner) -> None:
        """Go on as if there had been no validation."""
        pause = perf_counter() - self._validating_since
        self._idle_since += pause
        if self._began is not None:
            self._began += pause
