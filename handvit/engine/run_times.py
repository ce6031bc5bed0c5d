"""Read from its log folders how long a training took, whatever interrupted it."""

from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

_NAME = "%Y%m%d_%H%M%S"  # the Runner names a log folder by its start, in local time


class RunTime(NamedTuple):
    """State when a program ran, in seconds since the epoch."""

    start: float
    end: float


def run_times(work_dir: Path) -> list[RunTime]:
    """List the trainings and tests of a work dir, from their start to their last log line."""
    logs = sorted(work_dir.glob("*_*/*.log"))
    starts = [datetime.strptime(log.parent.name, _NAME).timestamp() for log in logs]
    return [RunTime(start, log.stat().st_mtime) for start, log in zip(starts, logs, strict=True)]


def total_seconds(times: Iterable[RunTime]) -> float:
    """Sum up all programs."""
    return sum(time.end - time.start for time in times)


def elapsed_seconds(times: Iterable[RunTime]) -> float:
    """Return how long at least one of them ran; breaks between them do not count."""
    elapsed, until = 0.0, float("-inf")
    for start, end in sorted(times):
        elapsed += max(0.0, end - max(start, until))
        until = max(until, end)
    return elapsed
