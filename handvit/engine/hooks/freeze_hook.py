"""Let parts of the model wait: frozen from one iteration to another."""

import gc
from collections.abc import Sequence
from typing import Any, NamedTuple

from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner
from torch import nn

from handvit.models.freezing import find_modules
from handvit.registry import HOOKS


class FrozenPeriod(NamedTuple):
    """Say which modules are frozen, and when."""

    pattern: str  # see ``find_modules``
    begin: int = 0  # first iteration
    end: int | None = None  # first iteration after it; None for the rest of the training


@HOOKS.register_module()
class FreezeHook(Hook):
    """Freeze modules for a part of the training, besides those that ``model.frozen`` names.

    A common use lets a fresh head warm up before a pretrained backbone moves:
    ``FreezeHook(schedule=[dict(pattern="backbone", end=5000)])``. What is frozen follows from the
    iteration alone, so a resumed run is the same.

    All parameters that ever learn are in the optimizer from the start, so that its groups and the
    schedules of their learning rates stay what they are. While a module is frozen its parameters
    have no gradient, no step and no weight decay moves them, and the optimizer keeps nothing about
    them: one that is frozen again starts with fresh moments afterwards. Under DDP the model is
    wrapped anew at each change, since the reducer's buckets are made for what learns.
    """

    priority = "VERY_HIGH"

    def __init__(self, *, schedule: Sequence[dict[str, Any]]) -> None:
        """Set the periods; where several speak of a module, it is frozen in each.

        Args:
            schedule: of ``dict(pattern=..., begin=0, end=None)``.

        Raises:
            ValueError: a period is empty, or is the whole training.
        """
        self.schedule = [FrozenPeriod(**period) for period in schedule]
        for pattern, begin, end in self.schedule:
            if end is not None and not 0 <= begin < end:
                raise ValueError(
                    f"FreezeHook.schedule: {pattern!r} is frozen from {begin} to {end};"
                    " begin must be smaller than end"
                )
            if begin == 0 and end is None:
                raise ValueError(
                    f"FreezeHook.schedule: {pattern!r} is frozen for the whole training; name it"
                    " in model.frozen, which spares the optimizer and DDP its parameters"
                )

    def before_train(self, runner: Runner) -> None:
        """Note what is frozen anyway, and log what is going to change.

        Raises:
            ValueError: a pattern matches nothing.
        """
        model = _inner(runner.model)
        self._always = tuple(name for name in model.frozen if name not in self._patterns())
        for pattern, begin, end in self.schedule:
            (first, *more) = find_modules(model, [pattern], key="FreezeHook.schedule")
            others = f" and {len(more)} more" if more else ""
            until = "the end" if end is None else f"iteration {end}"
            runner.logger.info(f"Frozen from iteration {begin} to {until}: {first}{others}")
        self._apply(runner)

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: object = None) -> None:
        """Change what is frozen where a period begins or ends."""
        if any(runner.iter in (begin, end) for _, begin, end in self.schedule):
            self._apply(runner)

    def _patterns(self) -> set[str]:
        return {period.pattern for period in self.schedule}

    def _apply(self, runner: Runner) -> None:
        model = _inner(runner.model)
        now = (
            pattern
            for pattern, begin, end in self.schedule
            if begin <= runner.iter and (end is None or runner.iter < end)
        )
        frozen = (*self._always, *dict.fromkeys(now))
        if frozen == model.frozen:
            return
        model.freeze(frozen)
        for group in runner.optim_wrapper.param_groups:
            for parameter in group["params"]:
                if not parameter.requires_grad:
                    parameter.grad = None
                    runner.optim_wrapper.optimizer.state.pop(parameter, None)
        if is_model_wrapper(runner.model):
            runner.model = None
            gc.collect()  # the old wrapper, whose reducer would reduce every gradient once more
            runner.model = runner.wrap_model(runner.cfg.get("model_wrapper_cfg"), model)


def _inner(model: nn.Module) -> nn.Module:
    return model.module if is_model_wrapper(model) else model
