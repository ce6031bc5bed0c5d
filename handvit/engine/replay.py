"""Repeat an iteration that failed, and find where its numbers stopped being finite."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, NamedTuple

from mmengine.config import Config
from mmengine.optim import build_optim_wrapper
from mmengine.registry import init_default_scope
from mmengine.utils import import_modules_from_strings
from torch import Tensor, nn

from handvit.engine.failure_dump import Findings, set_modes
from handvit.engine.random_state import set_random_state
from handvit.registry import MODELS
from handvit.structures import HandCrops


class Replay(NamedTuple):
    """State what came out of an iteration."""

    crops: HandCrops  # what the model saw
    losses: dict[str, float]
    first_module: str | None  # in forward order, whose output is not finite
    gradients: list[str]  # parameters whose gradient is not finite
    model: nn.Module

    def reproduces(self, findings: Findings) -> bool:
        """Say whether the same failed again; clipping had blurred whose gradients it was."""
        losses = {name for name, value in self.losses.items() if not math.isfinite(value)}
        return losses == set(findings.losses) and bool(losses or self.gradients)


def replay(failure: dict[str, Any], device: str) -> Replay:
    """Do the forward and the backward pass of an iteration once more.

    Args:
        failure: what ``read_failure`` returned; its random generators, weights, dropout and frozen
            parts are taken over, and its precision.
        device: where to; another one than in the training draws other random numbers.
    """
    cfg = Config(failure["config"])
    import_modules_from_strings(**cfg.get("custom_imports", dict(imports=None)))
    init_default_scope(cfg.default_scope)
    model = MODELS.build(cfg.model)
    model.load_state_dict(failure["state_dict"])
    set_modes(model, failure["modes"])
    model.to(device)
    optim_wrapper = build_optim_wrapper(model, cfg.optim_wrapper)

    set_random_state(failure["random_state"])
    with _first_non_finite_module(model) as found, optim_wrapper.optim_context(model):
        inputs = model.data_preprocessor(failure["batch"], training=True)
        losses = model(**inputs, mode="loss")
    total, _ = model.parse_losses(losses)
    total.backward()
    gradients = {name: p.grad for name, p in model.named_parameters() if p.grad is not None}
    return Replay(
        crops=inputs["crops"],
        losses={name: value.item() for name, value in losses.items()},
        first_module=found[0] if found else None,
        gradients=[name for name, grad in gradients.items() if not grad.isfinite().all()],
        model=model,
    )


@contextmanager
def _first_non_finite_module(model: nn.Module) -> Iterator[list[str]]:
    """Collect modules whose output is not finite; inner ones come before those around them."""
    found = []

    def note(name: str, module: nn.Module, arguments: tuple, output: Any) -> None:
        if not all(tensor.isfinite().all() for tensor in find_tensors(output)):
            found.append(f"{name or 'the model'} ({type(module).__name__})")

    modules = model.named_modules()
    handles = [module.register_forward_hook(partial(note, name)) for name, module in modules]
    yield found
    for handle in handles:
        handle.remove()


def find_tensors(value: Any) -> Iterator[Tensor]:
    """Go through all tensors in dicts, lists and tuples."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, dict):
        yield from find_tensors(list(value.values()))
    elif isinstance(value, list | tuple):
        for item in value:
            yield from find_tensors(item)
