"""Check that a run has what it needs, where it starts from and where it writes to."""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from handvit.engine.preflight.problem import Problem

_TRAINING = ("model", "train_dataloader", "train_cfg", "optim_wrapper")
_TEST = ("model", "test_dataloader", "test_cfg", "test_evaluator")


def check_run(content: Mapping[str, Any], *, for_training: bool) -> Iterator[Problem]:
    """Yield parts that are missing, and paths that cannot be read from or written to."""
    for key in _TRAINING if for_training else _TEST:
        if not content.get(key):
            kind = "training" if for_training else "test"
            yield Problem(key, None, f"a {kind} needs it", "see docs/configs.md for its _base_")
    start = content.get("load_from")
    if start is None and content.get("resume"):
        yield Problem("resume", True, "does not say from where", "use --resume on the command line")
    elif start is not None and not Path(start).exists():
        yield Problem(
            "load_from",
            start,
            "no such checkpoint",
            "train it first, or name another one with --cfg-options load_from=FILE",
        )
    yield from _check_work_dir(Path(content["work_dir"]))


def _check_work_dir(work_dir: Path) -> Iterator[Problem]:
    existing = next(path for path in (work_dir, *work_dir.absolute().parents) if path.exists())
    if not existing.is_dir() or not os.access(existing, os.W_OK | os.X_OK):
        wrong = f"{existing} is no folder that can be written to"
        yield Problem("work_dir", str(work_dir), wrong, "choose another one with --work-dir")
