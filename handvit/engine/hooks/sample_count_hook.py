"""Say how many samples a training sees, and resume only where it goes on in the same order."""

from typing import Any

from mmengine.dist import get_world_size
from mmengine.hooks import Hook
from mmengine.runner import Runner
from torch.utils.data import IterableDataset

from handvit.registry import HOOKS

_KEY = "batch"  # in the ``meta`` of checkpoints


@HOOKS.register_module()
class SampleCountHook(Hook):
    """Count samples, and refuse to resume with another number of them in an iteration.

    Checkpoints count iterations: their place in the data, in the schedules and in averages. So a
    run resumes with other numbers of processes only if batch sizes make up for it; a sampler then
    draws the same samples for each iteration. A stream shares its shards out to processes and their
    workers, so there all of their numbers must stay.
    """

    def __init__(self, *, factor: float = 1.0) -> None:
        """Set what is logged.

        Args:
            factor: iterations of this training for one of its recipe, see ``sample_schedule``.
        """
        self.factor = factor

    def before_train(self, runner: Runner) -> None:
        """Log the whole training in one line."""
        batch = _batch(runner)
        per_iteration, max_iters = batch["num_samples"], runner.max_iters
        num_accumulated = runner.optim_wrapper._accumulative_counts
        runner.logger.info(
            f"Training: {per_iteration * max_iters:,} samples in {max_iters:,} iterations of"
            f" {batch['num_processes']} x {batch['batch_size']} ({self.factor:.4g} times the"
            f" recipe's); {per_iteration * num_accumulated} samples for a step of the optimizer"
        )

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict[str, Any]) -> None:
        """Store what iterations consist of."""
        checkpoint["meta"][_KEY] = _batch(runner)

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict[str, Any]) -> None:
        """Compare, if the run is to go on.

        Raises:
            ValueError: it would go on elsewhere in the data.
        """
        if not runner._resume or _KEY not in checkpoint["meta"]:
            return
        was, now = checkpoint["meta"][_KEY], _batch(runner)
        is_stream = isinstance(runner.train_dataloader.dataset, IterableDataset)
        same = was == now if is_stream else was["num_samples"] == now["num_samples"]
        if not same:
            size, rest = divmod(was["num_samples"], now["num_processes"])
            fitting = "" if rest or is_stream else f" or set train_dataloader.batch_size={size},"
            raise ValueError(
                f"checkpoint {runner._load_from}: was trained with {_describe(was)}, and this run"
                f" has {_describe(now)}, so that it would go on elsewhere in the data and in its"
                f" schedule; resume it as it was,{fitting} or start a new run from its weights with"
                " load_from"
            )


def _batch(runner: Runner) -> dict[str, int]:
    loader, num_processes = runner.train_dataloader, get_world_size()
    return {
        "num_processes": num_processes,
        "batch_size": loader.batch_size,
        "num_samples": num_processes * loader.batch_size,
        "num_workers": loader.num_workers,
    }


def _describe(batch: dict[str, int]) -> str:
    return "{num_processes} processes x batch size {batch_size} (num_workers {num_workers})".format(
        **batch
    )
