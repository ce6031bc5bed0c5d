"""Make everything that a config says in iterations longer or shorter by one factor."""

from typing import Any, NamedTuple

# What counts iterations from the start of the training, by type.
_SCHEDULERS = {
    "ConstantLR": (),
    "CosineAnnealingLR": (),  # and T_max, see below
    "LinearLR": (),
    "MultiStepLR": ("milestones",),
    "PolyLR": (),
    "StepLR": ("step_size",),
}
_HOOKS = {
    "DropoutWarmupHook": ("num_iters",),
    "EMAHook": ("begin_iter",),
    "HandEMAHook": ("begin_iter",),
}
_CHECKPOINT_HOOKS = ("CheckpointHook", "HandCheckpointHook")
_EMA_HOOKS = ("EMAHook", "HandEMAHook")
_EMA_MOMENTUM = 2e-4  # MMEngine's, where a config has none


class Stretch(NamedTuple):
    """Turn iterations of a recipe into those of a training."""

    old_length: int  # iterations of the training
    new_length: int
    step: int = 1  # iterations for one step of the optimizer

    @property
    def factor(self) -> float:
        """New iterations for an old one."""
        return self.new_length / self.old_length

    def count(self, iterations: Any) -> Any:
        """Return a place in the training, or a list of them."""
        if isinstance(iterations, list | tuple):
            return [self.count(one) for one in iterations]
        return round(iterations * self.new_length / self.old_length)

    def interval(self, iterations: int) -> int:
        """Return an interval that ends between two steps; what is not positive means never."""
        steps = max(1, round(iterations * self.factor / self.step))
        return steps * self.step if iterations > 0 else iterations

    def momentum(self, momentum: float) -> float:
        """Return the weight of what is new in an average that is as slow in samples as before.

        Busbridge et al., How to Scale Your EMA, 2023, with ``1 - momentum`` for their momentum.
        """
        return 1 - (1 - momentum) ** (1 / self.factor)


def stretch_loop(loop: dict[str, Any], stretch: Stretch) -> None:
    """Rewrite ``train_cfg``."""
    loop["max_iters"] = stretch.new_length
    if "val_begin" in loop:
        loop["val_begin"] = stretch.count(loop["val_begin"])
    if "val_interval" in loop:
        loop["val_interval"] = stretch.interval(loop["val_interval"])
    if "dynamic_intervals" in loop:
        loop["dynamic_intervals"] = [
            (stretch.count(begin), stretch.interval(interval))
            for begin, interval in loop["dynamic_intervals"]
        ]


def stretch_scheduler(scheduler: dict[str, Any], stretch: Stretch) -> None:
    """Rewrite one entry of ``param_scheduler``.

    Raises:
        ValueError: it counts epochs, its type is not known, or nothing is left of it.
    """
    kind, begin, end = scheduler["type"], scheduler.get("begin", 0), scheduler.get("end")
    if kind not in _SCHEDULERS or scheduler.get("by_epoch", True):
        raise ValueError(
            f"param_scheduler: {kind} with by_epoch={scheduler.get('by_epoch', True)} cannot follow"
            f" sample_schedule.total_samples; use {', '.join(_SCHEDULERS)} with by_epoch=False"
        )
    _replace(scheduler, ("begin", "end", *_SCHEDULERS[kind]), stretch)
    if "T_max" in scheduler:
        # Where one phase ends as another begins, they still do.
        new_begin = stretch.count(begin)
        scheduler["T_max"] = stretch.count(begin + scheduler["T_max"]) - new_begin
    if end is not None and scheduler["end"] - scheduler.get("begin", 0) < 2:
        raise ValueError(
            f"param_scheduler: nothing is left of {kind} from iteration {begin} to {end} where"
            f" {stretch.new_length} iterations stand for {stretch.old_length}; make it longer"
        )


def stretch_hook(hook: dict[str, Any], stretch: Stretch) -> None:
    """Rewrite a hook's config if it counts iterations; those that write logs are left alone."""
    kind = hook["type"].split(".")[-1]
    _replace(hook, _HOOKS.get(kind, ()), stretch)
    if kind in _EMA_HOOKS and hook.get("ema_type") != "StochasticWeightAverage":
        hook["momentum"] = stretch.momentum(hook.get("momentum", _EMA_MOMENTUM))
    if kind in _CHECKPOINT_HOOKS:
        for key in hook.keys() & {"interval", "save_begin"}:
            hook[key] = stretch.interval(hook[key])
    if kind == "FreezeHook":
        for period in hook["schedule"]:
            _replace(period, ("begin", "end"), stretch)


def _replace(config: dict[str, Any], keys: tuple[str, ...], stretch: Stretch) -> None:
    for key in keys:
        if config.get(key) is not None:
            config[key] = stretch.count(config[key])
