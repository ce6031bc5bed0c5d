"""Write files that are there whole or not at all."""

import errno
import fcntl
import glob
import os
import re
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

_TEMPORARY = re.compile(r"\..+\.[0-9a-f]{32}\.tmp")


@contextmanager
def atomic_file(path: Path) -> Iterator[BinaryIO]:
    """Open a hidden temporary file that takes the name ``path`` when the block ends well.

    What was written has reached the disk then, also if the power fails. An exception in the block
    removes the temporary file; a killed process leaves ``.<name>.<random>.tmp`` behind, which no
    reader looks at, and which the next success with the same name sweeps away.
    """
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}.tmp")
    try:
        with temporary.open("xb") as file:
            _lock(file)
            yield file
            file.flush()
            os.fsync(file.fileno())
            os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    _sync_folder(path.parent)
    _sweep(path.parent.glob(f".{glob.escape(path.name)}.*.tmp"))


def sweep_abandoned(folder: Path) -> list[Path]:
    """Remove temporary files that killed processes left in a folder, and return their paths."""
    return _sweep(folder.glob(".*.tmp"))


def _lock(file: BinaryIO) -> None:
    """Show that somebody is writing; the lock ends with the process, however it ends."""
    with suppress(OSError):  # a file system without locks; nothing is swept there
        fcntl.flock(file, fcntl.LOCK_EX)


def _sweep(candidates: Iterator[Path]) -> list[Path]:
    return [path for path in candidates if _TEMPORARY.fullmatch(path.name) and _sweep_one(path)]


def _sweep_one(path: Path) -> bool:
    """Remove a file that nobody has locked; say whether it was there to remove."""
    try:
        with path.open("rb+") as file:  # NFS locks only what could be written
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            path.unlink()
    except OSError:  # somebody is writing it or was faster, or the file system has no locks
        return False
    return True


def _sync_folder(folder: Path) -> None:
    """Make a new name in a folder as durable as the file it stands for."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno != errno.EINVAL:  # some network file systems cannot, and need not
            raise
    finally:
        os.close(descriptor)
