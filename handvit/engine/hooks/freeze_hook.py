"""Let parts of the model wait: frozen from one iteration to another."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.optim import OptimWrapper
from mmengine.runner import Runner
from torch import nn

from handvit.engine.fully_sharded_model import FullyShardedModel
from handvit.models.freezing import find_modules
from handvit.registry import HOOKS

_KEY = "FreezeHook.schedule"


class FrozenPeriod(NamedTuple):
    """Say which modules are frozen, and when."""

    pattern: str  # see ``find_modules``
    begin: int = 0  # first iteration
    end: int | None = None  # first iteration after it; None for the rest of the training

    def includes(self, iteration: int) -> bool:
        """Say whether they are frozen in an iteration."""
        return self.begin <= iteration and (self.end is None or iteration < self.end)


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

    def __init__(self, *, schedule: Sequence[Mapping[str, Any]]) -> None:
        """Set the periods; where several speak of a module, it is frozen in each.

        Args:
            schedule: of ``dict(pattern=..., begin=0, end=None)``.

        Raises:
            ValueError: a period has other keys, is empty, or is the whole training.
        """
        self.schedule = [_parse(period) for period in schedule]
        self._always: tuple[str, ...] | None = None

    def before_train(self, runner: Runner) -> None:
        """Note what is frozen anyway, and log what is going to change.

        Raises:
            ValueError: the model is sharded, or a period matches nothing, changes nothing, or
                leaves nothing to learn.
        """
        if isinstance(runner.model, FullyShardedModel):
            raise ValueError(
                "FreezeHook: runner_type='FullyShardedRunner' cannot change what is frozen; use"
                " HandRunner, or model.frozen for the whole training"
            )
        model = _inner(runner.model)
        if self._always is None:
            # Only once: if training is called again after Ctrl-C, a period may be in force.
            self._always = model.frozen
        self._check_effects(model, runner.optim_wrapper)
        for pattern, begin, end in self.schedule:
            (first, *more) = find_modules(model, [pattern], key=_KEY)
            others = f" and {len(more)} more" if more else ""
            until = "the end" if end is None else f"iteration {end}"
            runner.logger.info(f"Frozen from iteration {begin} to {until}: {first}{others}")
        self._apply(runner)

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: object = None) -> None:
        """Change what is frozen where a period begins or ends."""
        if any(runner.iter in (begin, end) for _, begin, end in self.schedule):
            self._apply(runner)

    def _frozen_at(self, iteration: int) -> tuple[str, ...]:
        now = (period.pattern for period in self.schedule if period.includes(iteration))
        return (*self._always, *dict.fromkeys(now))

    def _check_effects(self, model: nn.Module, optim_wrapper: OptimWrapper) -> None:
        """Find out now what would go wrong in the midst of the training, or silently."""
        always = find_modules(model, self._always, key="model.frozen")
        learning = {p for group in optim_wrapper.param_groups for p in group["params"]}
        for pattern, begin, _ in self.schedule:
            if find_modules(model, [*self._always, pattern], key=_KEY) == always:
                raise ValueError(
                    f"{_KEY}: {pattern!r} is frozen for the whole training by model.frozen="
                    f"{list(self._always)}, and unknown to the optimizer; name it in one of them"
                )
            names = find_modules(model, self._frozen_at(begin), key=_KEY)
            frozen = {p for name in names for p in model.get_submodule(name).parameters()}
            if learning <= frozen:
                raise ValueError(
                    f"{_KEY}: nothing learns from iteration {begin} on, when {names} are frozen;"
                    " leave a part out"
                )

    def _apply(self, runner: Runner) -> None:
        model, frozen = _inner(runner.model), self._frozen_at(runner.iter)
        if frozen == model.frozen:
            return
        model.freeze(frozen)
        _forget_frozen(runner.optim_wrapper)
        if is_model_wrapper(runner.model):
            # The old one's buckets, as large as all gradients, go before the new ones come.
            runner.model = None
            runner.model = runner.wrap_model(runner.cfg.get("model_wrapper_cfg"), model)


def _parse(period: Mapping[str, Any]) -> FrozenPeriod:
    if not {"pattern"} <= period.keys() <= set(FrozenPeriod._fields):
        raise ValueError(
            f"{_KEY}: {dict(period)} must have the key pattern, and may have begin and end only"
        )
    pattern, begin, end = parsed = FrozenPeriod(**period)
    if begin < 0 or (end is not None and begin >= end):
        raise ValueError(
            f"{_KEY}: {pattern!r} is frozen from {begin} to {end}; begin must be smaller than end,"
            " and not negative"
        )
    if begin == 0 and end is None:
        raise ValueError(
            f"{_KEY}: {pattern!r} is frozen for the whole training; name it in model.frozen, which"
            " spares the optimizer and DDP its parameters"
        )
    return parsed


def _forget_frozen(optim_wrapper: OptimWrapper) -> None:
    """Drop gradients and moments of what does not learn now; without a gradient nothing moves."""
    for group in optim_wrapper.param_groups:
        for parameter in group["params"]:
            if not parameter.requires_grad:
                parameter.grad = None
                optim_wrapper.optimizer.state.pop(parameter, None)


def _inner(model: nn.Module) -> nn.Module:
    return model.module if is_model_wrapper(model) else model
