"""Say what a check found."""

from dataclasses import asdict, dataclass, field
from enum import Enum
from typing import Any

import numpy as np

#: Sample ids that a finding names.
NUM_WORST = 12
_DIGITS = 6


class Status(str, Enum):
    """Rank what a check can end in, from good to bad."""

    OK = "ok"
    SKIPPED = "skipped"
    WARNING = "warning"
    FAILED = "failed"


@dataclass(frozen=True, kw_only=True)
class Finding:
    """Hold the result of one check.

    Args:
        name: of the check, which is the name of what can be wrong.
        sentence: one for people: the number, its threshold and unit, and the likely cause.
        worst: ids of the samples to look at, the worst first.
        numbers: what the sentence is made of, and more.
    """

    name: str
    status: Status
    sentence: str
    worst: tuple[str, ...] = ()
    numbers: dict[str, float] = field(default_factory=dict)

    def to_record(self) -> dict[str, Any]:
        """Return plain JSON values, equal for equal data."""
        numbers = {name: to_json_number(value) for name, value in sorted(self.numbers.items())}
        return {
            **asdict(self),
            "status": self.status.value,
            "worst": list(self.worst),
            "numbers": numbers,
        }


def skipped(name: str, reason: str) -> Finding:
    """Report a check that the data give no ground for."""
    return Finding(name=name, status=Status.SKIPPED, sentence=reason)


def grade(value: float, *, warning: float, failure: float) -> Status:
    """Rank a number that should be small: bad *above* the limits."""
    if value > failure:
        return Status.FAILED
    return Status.WARNING if value > warning else Status.OK


def worst_ids(sample_id: np.ndarray, badness: np.ndarray) -> tuple[str, ...]:
    """Name the samples of largest badness, (N,) each; those at or below zero, or NaN, are fine."""
    badness = np.nan_to_num(badness.astype(np.float64), nan=0.0)
    ranked = np.argsort(-badness, kind="stable")[:NUM_WORST]
    return tuple(str(sample_id[row]) for row in ranked if badness[row] > 0)


def to_json_number(value: float) -> float | int | None:
    """Round to what is worth comparing; NaN, which JSON does not have, becomes ``None``."""
    if not np.isfinite(value):
        return None
    return int(value) if float(value).is_integer() else float(f"{value:.{_DIGITS}g}")
