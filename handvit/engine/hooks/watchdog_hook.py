"""Report a run that hangs, instead of hanging."""

import sys
import threading
import weakref
from functools import partial
from pathlib import Path
from typing import Any

from mmengine.dist import get_rank
from mmengine.hooks import Hook
from mmengine.runner import Runner
from torch.utils.data import DataLoader

from handvit.engine.failure_dump import FOLDER
from handvit.engine.stack_report import StackReport
from handvit.engine.stall_watch import StallWatch
from handvit.registry import HOOKS
from handvit.structures import HandBatch, HandCrops

_ENTRIES = {method.__code__ for method in (Runner.train, Runner.val, Runner.test)}


@HOOKS.register_module()
class WatchdogHook(Hook):
    """End the process when nothing moves for too long: a loader, a collective, a disk.

    Rank, iteration, what it was waiting for, the samples and the stacks of all threads, those of
    the loader's workers too, go to stderr and ``WORK_DIR/failures/stall_rankR.txt``. The exit code
    is ``Stall.code``; a launcher then ends the other processes.
    """

    priority = "LOWEST"  # so that waiting begins when all other hooks are done

    def __init__(self, *, timeout: float = 600.0, slow_timeout: float = 3600.0) -> None:
        """Set how long things may take, and listen for SIGUSR2.

        Args:
            timeout: seconds for an iteration, for the next batch, and for a checkpoint.
            slow_timeout: seconds for what has no iterations to be seen: the start with its first
                iteration, the first batch of a validation, and the metrics at its end.
        """
        self.timeout = timeout
        self.slow_timeout = slow_timeout
        # Here, because the training loop forks the loader's workers before it calls any hook.
        self._stacks = StackReport()
        self._watch: StallWatch | None = None
        self._iteration = 0
        self._sample_ids: list[str] = []

    def before_run(self, runner: Runner) -> None:
        """Begin to watch what called this: ``runner.train``, ``val`` or ``test``."""
        path = Path(runner.work_dir) / FOLDER / f"stall_rank{get_rank()}.txt"
        if self._watch is not None:
            self._watch.stop()  # of a run that broke off
        self._watch = StallWatch(self._stacks, path=path, describe=self._describe)
        # A weak reference: a run that broke off must be free to give back its loader's workers.
        is_needed = partial(_is_running, weakref.ref(runner), threading.get_ident())
        self._watch.start("starting", self.slow_timeout, is_needed=is_needed)

    def after_run(self, runner: Runner) -> None:
        """Watch no more."""
        self._watch.stop()

    def before_val(self, runner: Runner) -> None:
        """Give the loader time to start."""
        self._note("starting the validation", self.slow_timeout)

    def after_val(self, runner: Runner) -> None:
        """Go back to training."""
        self._note("waiting for data", self.timeout)

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict[str, Any]) -> None:
        """Note that a file is written."""
        self._note("saving a checkpoint", self.timeout)

    def _before_iter(
        self, runner: Runner, batch_idx: int, data_batch: HandBatch | HandCrops, mode: str = "train"
    ) -> None:
        is_first = self._watch is None or self._watch.progress.doing == "starting"
        self._iteration = batch_idx + 1
        self._sample_ids = data_batch.labels.sample_id
        self._note(_DOING[mode], self.slow_timeout if is_first else self.timeout)

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: object = None, outputs: object = None
    ) -> None:
        """Wait for the next batch."""
        self._note("waiting for data", self.timeout)

    def after_val_iter(
        self, runner: Runner, batch_idx: int, data_batch: object = None, outputs: object = None
    ) -> None:
        """Wait for the next batch, or for the metrics after the last one."""
        self._note_batch(batch_idx, runner.val_dataloader)

    def after_test_iter(
        self, runner: Runner, batch_idx: int, data_batch: object = None, outputs: object = None
    ) -> None:
        """Wait for the next batch, or for the metrics after the last one."""
        self._note_batch(batch_idx, runner.test_dataloader)

    def _note_batch(self, batch_idx: int, loader: DataLoader) -> None:
        if batch_idx + 1 == len(loader):
            self._note("computing metrics", self.slow_timeout)
        else:
            self._note("waiting for data", self.timeout)

    def _note(self, doing: str, patience: float) -> None:
        if self._watch is not None:  # a loop may be run by itself, as in a notebook
            self._watch.note(doing, patience)

    def _describe(self) -> str:
        ids = ", ".join(self._sample_ids)
        return f"rank {get_rank()}, iteration {self._iteration}, last samples: {ids or 'none yet'}"


_DOING = {"train": "computing", "val": "validating", "test": "testing"}


def _is_running(runner: weakref.ref[Runner], thread: int) -> bool:
    """Look whether a thread is still inside; after an error, no hook tells that it is not."""
    frame = sys._current_frames().get(thread)
    while frame is not None:
        if frame.f_code in _ENTRIES and frame.f_locals["self"] is runner():
            return True
        frame = frame.f_back
    return False
