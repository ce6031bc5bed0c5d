"""Stop before a disk is full, and say so when it is."""

import errno
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from handvit.engine.training_stop import DiskShortage

MARGIN = 16 * 2**20  # bytes for logs and whatever else is written at the same time
_FULL = {errno.ENOSPC, errno.EDQUOT}
_ADVICE = (
    "what was there before is whole. Free some space, or choose another disk with --work-dir;"
    " default_hooks.checkpoint.max_keep_ckpts says how many checkpoints stay"
)


def require_space(folder: Path, name: str, num_bytes: int) -> None:
    """Refuse to begin writing a file that does not fit beside all that is there.

    Raises:
        DiskShortage: says how much is missing.
    """
    free, needed = shutil.disk_usage(folder).free, num_bytes + MARGIN
    if free < needed:
        raise DiskShortage(
            f"{folder}: {name} needs {_gigabytes(needed)}, {_gigabytes(free)} are free; {_ADVICE}"
        )


@contextmanager
def full_disk_is_shortage(folder: Path) -> Iterator[None]:
    """Turn the error of a disk or quota that is full after all into a ``DiskShortage``.

    Args:
        folder: what is written to in the block, as the error does not say.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in _FULL:
            raise
        free = _gigabytes(shutil.disk_usage(folder).free)
        raise DiskShortage(f"{folder}: {error.strerror}, {free} are free; {_ADVICE}") from error


def _gigabytes(num_bytes: int) -> str:
    return f"{num_bytes / 1e9:.3g} GB"
