"""Fix how many samples a training sees, whatever the number of GPUs and the batch size.

A recipe counts in iterations of one batch size. With ``sample_schedule.total_samples`` in the
config, more processes or larger batches make fewer iterations of the same samples in the same
order, and all that the recipe says about iterations keeps its share of the training.
"""

import os
from typing import Any, NamedTuple

from mmengine.config import Config

from handvit.engine.schedule_stretch import (
    Stretch,
    stretch_hook,
    stretch_loop,
    stretch_scheduler,
)

_PROCESS_COUNTS = {"pytorch": "WORLD_SIZE", "slurm": "SLURM_NTASKS"}


class SampleSchedule(NamedTuple):
    """State what ``sample_schedule`` in a config says."""

    # Clips that the training sees, the same ones again in later epochs; None: as it is written.
    total_samples: int | None = None
    # Samples for a step of the optimizer that the learning rates are meant for.
    reference_batch: int = 32
    # Power of (batch / reference batch) that learning rates are multiplied by: 1 suits SGD (Goyal
    # et al. 2017), 0.5 Adam (Malladi et al. 2022, whose rule changes the betas, too).
    lr_exponent: float = 0.0


class TrainingBatch(NamedTuple):
    """Count the samples that are learned from at a time."""

    num_processes: int
    per_process: int
    num_accumulated: int  # iterations for one step of the optimizer

    @property
    def per_iteration(self) -> int:
        """Samples of one iteration, in all processes."""
        return self.num_processes * self.per_process

    @property
    def per_step(self) -> int:
        """Samples of one step of the optimizer."""
        return self.per_iteration * self.num_accumulated

    def __str__(self) -> str:
        return f"{self.num_processes} (processes) x {self.per_process} (batch_size)" + (
            f" x {self.num_accumulated} (accumulative_counts)" if self.num_accumulated > 1 else ""
        )


def count_processes(launcher: str) -> int:
    """Return how many processes a launcher has started, before they know of each other."""
    return int(os.environ[_PROCESS_COUNTS[launcher]]) if launcher in _PROCESS_COUNTS else 1


def apply_sample_schedule(cfg: Config, *, num_processes: int) -> None:
    """Rewrite a config's iterations and learning rates as its ``sample_schedule`` asks.

    Iterations are MMEngine's: where gradients are accumulated, several make one step. What comes
    out is a config for this number of processes, which a second call leaves as it is.

    Args:
        cfg: is changed, unless ``total_samples`` is None.
        num_processes: that are going to train.

    Raises:
        ValueError: the samples are no whole number of steps, or something cannot be rewritten.
    """
    schedule = _read(cfg)
    if schedule.total_samples is None:
        return
    batch = TrainingBatch(
        num_processes,
        cfg.train_dataloader.batch_size,
        cfg.optim_wrapper.get("accumulative_counts", 1),
    )
    _check_total(schedule.total_samples, batch)
    stretch = Stretch(
        old_length=cfg.train_cfg.max_iters,
        new_length=schedule.total_samples // batch.per_iteration,
        step=batch.num_accumulated,
    )
    stretch_loop(cfg.train_cfg, stretch)
    for scheduler in cfg.param_scheduler:
        stretch_scheduler(scheduler, stretch)
    for hook in (*cfg.default_hooks.values(), *cfg.get("custom_hooks", ())):
        if hook is not None:
            stretch_hook(hook, stretch)
    _scale_rates(cfg, (batch.per_step / schedule.reference_batch) ** schedule.lr_exponent)
    cfg.sample_schedule.reference_batch = batch.per_step
    cfg.default_hooks.sample_count = dict(type="SampleCountHook", factor=stretch.factor)


def _read(cfg: Config) -> SampleSchedule:
    content = cfg.get("sample_schedule", {})
    unknown = sorted(content.keys() - SampleSchedule._fields)
    if unknown:
        known = ", ".join(SampleSchedule._fields)
        raise ValueError(f"sample_schedule: unknown keys {unknown}; it has {known}")
    schedule = SampleSchedule(**content)
    if schedule.total_samples is None:
        return schedule
    if schedule.reference_batch < 1 or not 0 <= schedule.lr_exponent <= 1:
        raise ValueError(
            f"sample_schedule: reference_batch={schedule.reference_batch} must be positive, and"
            f" lr_exponent={schedule.lr_exponent} between 0 (none) and 1 (linear)"
        )
    if "max_iters" not in cfg.train_cfg or isinstance(cfg.param_scheduler, dict):
        raise ValueError(
            "sample_schedule.total_samples: needs train_cfg.max_iters and a list of"
            " param_scheduler, to stretch them"
        )
    if schedule.lr_exponent and (cfg.get("auto_scale_lr") or {}).get("enable"):
        raise ValueError("sample_schedule.lr_exponent and auto_scale_lr: choose one of them")
    return schedule


def _check_total(total: int, batch: TrainingBatch) -> None:
    lower = max(total - total % batch.per_step, 0)
    if total != lower or total == 0:
        fitting = [str(fit) for fit in (lower, lower + batch.per_step) if fit > 0]
        raise ValueError(
            f"sample_schedule.total_samples={total}: is no multiple of the {batch.per_step} samples"
            f" of a step, {batch}; set it to {' or '.join(fitting)}"
        )


def _scale_rates(cfg: Config, factor: float) -> None:
    """Multiply all learning rates that are not relative to another one."""
    rates: list[tuple[Any, str]] = [(cfg.optim_wrapper.optimizer, "lr")]
    part_lr = (cfg.optim_wrapper.get("paramwise_cfg") or {}).get("part_lr", {})
    rates += [(part_lr, part) for part in part_lr]
    rates += [(scheduler, "eta_min") for scheduler in cfg.param_scheduler]
    for config, key in rates:
        if key in config:
            config[key] *= factor
