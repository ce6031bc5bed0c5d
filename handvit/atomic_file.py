"""Write files that are there whole or not at all."""

import glob
import os
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

_ABANDONED_AFTER = 24 * 3600.0  # seconds


@contextmanager
def atomic_file(path: Path) -> Iterator[BinaryIO]:
    """Open a hidden temporary file that takes the name ``path`` when the block ends well.

    An exception in the block removes it; a killed process leaves ``.<name>.<random>.tmp`` behind,
    which no reader looks at. A later success with the same name sweeps it away once it is too old
    to belong to another process that is writing the same file right now.
    """
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}.tmp")
    try:
        with temporary.open("xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    for leftover in path.parent.glob(f".{glob.escape(path.name)}.*.tmp"):
        _sweep(leftover)


def _sweep(leftover: Path) -> None:
    with suppress(FileNotFoundError):  # another process swept it
        if time.time() - leftover.stat().st_mtime > _ABANDONED_AFTER:
            leftover.unlink()
