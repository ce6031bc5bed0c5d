"""Save checkpoints so that no moment is a bad one for the machine to go away."""

from pathlib import Path
from typing import Any

from mmengine.dist import is_main_process
from mmengine.hooks import CheckpointHook
from mmengine.runner import Runner

from handvit.atomic_file import sweep_abandoned
from handvit.engine.atomic_backend import AtomicLocalBackend
from handvit.registry import HOOKS

#: Name in the message hub, hence in checkpoints, of the last iteration that was validated.
VALIDATED_ITER = "validated_iter"
_OUTDATED = "outdated_checkpoints"


@HOOKS.register_module()
class HandCheckpointHook(CheckpointHook):
    """MMEngine's hook, which takes the same arguments, with whole files on the disk at any time.

    MMEngine 0.10 removes the oldest and the best checkpoint before it writes what takes their
    place. Here they go afterwards; if the process ends in between, the next one removes them.
    Only files of the run's own folder are touched, also by a run that was copied elsewhere.

    ``iter_N.pth`` is written before the validation of iteration N, and again after it, so that
    ``VALIDATED_ITER`` in it tells a resumed run whether that validation is still to be done.
    """

    def __init__(self, **settings: Any) -> None:
        """Take what MMEngine's hook takes."""
        super().__init__(**settings)
        self._saved: tuple[int, int] | None = None  # newest file: iteration, iteration validated
        self._resumed_outdated: list[str] = []

    def before_train(self, runner: Runner) -> None:
        """Check the intervals, and clean up after a process that was killed.

        Raises:
            ValueError: a checkpoint would be due between two steps of the optimizer.
        """
        self._check_intervals(runner)
        super().before_train(runner)
        self.file_backend = _LateRemovals()
        self._adopt_best()
        self._adopt_newest(runner)
        if is_main_process():
            self._clean_up(runner)

    def after_val_epoch(self, runner: Runner, metrics: dict[str, float]) -> None:
        """Save the best checkpoint, and note in the newest one that this iteration is validated."""
        runner.message_hub.update_info(VALIDATED_ITER, runner.iter)
        super().after_val_epoch(runner, metrics)
        self.file_backend.remove_noted(spared=self._best_paths())
        if self._saved is not None and self._saved[0] == runner.iter > self._saved[1]:
            self._save_now(runner)

    def save_if_new(self, runner: Runner) -> str:
        """Save a checkpoint between two iterations unless there is one; return its path."""
        if self._saved is None or self._saved[0] != runner.iter:
            self._save_now(runner)
        return self.last_ckpt

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict[str, Any]) -> None:
        """Store what is to be removed when this checkpoint is whole."""
        checkpoint["meta"][_OUTDATED] = [path.name for path in self.file_backend.noted]

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict[str, Any]) -> None:
        """Keep what was to be removed when this checkpoint was whole."""
        if runner._resume:
            self._resumed_outdated = checkpoint["meta"].get(_OUTDATED, [])

    def _save_now(self, runner: Runner) -> None:
        meta = dict(epoch=runner.epoch, iter=runner.iter)
        self._save_checkpoint_with_step(runner, runner.iter, meta)

    def _save_checkpoint_with_step(self, runner: Runner, step: int, meta: dict[str, Any]) -> None:
        """Save; both the best checkpoint before this one and the oldest may go then."""
        self.file_backend.remove_noted(spared=self._best_paths())
        super()._save_checkpoint_with_step(runner, step, meta)
        self._saved = (step, _validated_iter(runner))
        self.file_backend.remove_noted(spared=self._best_paths())

    def _check_intervals(self, runner: Runner) -> None:
        """Refuse iterations with gradients that wait for a step: checkpoints hold none."""
        num_accumulated = runner.optim_wrapper._accumulative_counts
        intervals = {
            "default_hooks.checkpoint.interval": self.interval,
            "default_hooks.checkpoint.save_begin": self.save_begin,
        }
        if self.save_best:  # validation saves, too
            intervals["train_cfg.val_interval"] = runner.train_loop.val_interval
        for key, value in intervals.items():
            if value > 0 and value % num_accumulated:
                fitting = value - value % num_accumulated + num_accumulated
                raise ValueError(
                    f"{key}={value} is no multiple of optim_wrapper.accumulative_counts="
                    f"{num_accumulated}, so gradients would be lost on resume; set it to {fitting}"
                )

    def _adopt_newest(self, runner: Runner) -> None:
        """Go on with the checkpoint that a run resumes from, if it lies in the run's own folder."""
        if not runner._resume:
            return
        path = Path(runner._load_from)
        if path.resolve().parent == Path(self.out_dir).resolve():
            self.last_ckpt = str(path)
            self._saved = (runner.iter, _validated_iter(runner))

    def _adopt_best(self) -> None:
        """Look for the best checkpoint in the run's own folder, wherever it was written."""
        if not self.save_best:
            return
        if len(self.key_indicators) == 1:
            self.best_ckpt_path = self._own_path(self.best_ckpt_path)
        else:
            paths = self.best_ckpt_path_dict.items()
            self.best_ckpt_path_dict = {key: self._own_path(path) for key, path in paths}

    def _own_path(self, path: str | None) -> str | None:
        return path and str(Path(self.out_dir) / Path(path).name)

    def _best_paths(self) -> set[Path]:
        if not self.save_best:
            return set()
        is_single = len(self.key_indicators) == 1
        paths = [self.best_ckpt_path] if is_single else self.best_ckpt_path_dict.values()
        return {Path(path) for path in paths if path}

    def _clean_up(self, runner: Runner) -> None:
        """Remove what a killed process was about to remove, or left half written."""
        folder = Path(self.out_dir)
        for name in self._resumed_outdated:
            (folder / Path(name).name).unlink(missing_ok=True)
        for path in sweep_abandoned(folder):
            runner.logger.info(f"removed {path}, which a killed process left half written")


def _validated_iter(runner: Runner) -> int:
    """Return the last iteration that was validated; zero before the first validation."""
    return runner.message_hub.get_info(VALIDATED_ITER, 0)


class _LateRemovals(AtomicLocalBackend):
    """Note what is to be removed, until what takes its place is whole."""

    def __init__(self) -> None:
        self.noted: list[Path] = []

    def remove(self, filepath: str | Path) -> None:
        """Note a file."""
        self.noted.append(Path(filepath))

    def remove_noted(self, *, spared: set[Path]) -> None:
        """Remove what was noted, but for files that have been written again since."""
        for path in self.noted:
            if path not in spared:
                path.unlink(missing_ok=True)
        self.noted = []
