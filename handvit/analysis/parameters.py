"""Count the numbers that a model learns."""

from collections.abc import Iterable
from typing import NamedTuple

from torch import nn


class ParameterCount(NamedTuple):
    """How many numbers there are, and how many of them are trained."""

    total: int
    trainable: int


def count_parameters(model: nn.Module) -> dict[str, ParameterCount]:
    """Count by top-level part of the model; parts without parameters are left out."""
    counts = {name: _count(part) for name, part in model.named_children()}
    return {name: count for name, count in counts.items() if count.total}


def sum_counts(counts: Iterable[ParameterCount]) -> ParameterCount:
    """Return the count of all parts together."""
    return ParameterCount(*map(sum, zip(*counts, strict=True)))


def _count(part: nn.Module) -> ParameterCount:
    sizes = [(p.numel(), p.requires_grad) for p in part.parameters()]
    return ParameterCount(
        total=sum(size for size, _ in sizes),
        trainable=sum(size for size, trains in sizes if trains),
    )
