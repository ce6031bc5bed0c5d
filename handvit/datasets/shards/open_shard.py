"""Read from the files of one shard."""

import os
from contextlib import ExitStack
from functools import lru_cache
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

import numpy as np

from handvit.datasets.shards.dataset_info import ShardEntry
from handvit.datasets.shards.shard_index import REBUILD, ShardError, labels_path

_HEADER_START = 10  # bytes of an npy file: magic, version, and the length of the header


class OpenShard:
    """Keep the tar and the labels of a shard open.

    Raises:
        ShardError: one is missing, or not that of ``entry``; names the file and the fix.
    """

    def __init__(self, root: Path, entry: ShardEntry) -> None:
        self._files = ExitStack()
        self.path = root / entry.file
        try:
            check_files(root, entry)
            self._tar = self._files.enter_context(self.path.open("rb", buffering=0))
            self._labels = self._files.enter_context(labels_path(self.path).open("rb", buffering=0))
            self._label_type = _read_label_type(self._labels, entry.num_samples)
        except ShardError:
            raise
        except (OSError, ValueError) as error:
            raise ShardError(f"{self.path}: not readable ({error}); {REBUILD}") from error
        self._labels_start = self._labels.tell()

    def read(self, start: int, num_bytes: int) -> bytes:
        """Return bytes of the tar, fewer where it ends.

        Raises:
            ShardError: the disk has an error, or the file system lost the file.
        """
        try:
            return os.pread(self._tar.fileno(), num_bytes, start)
        except OSError as error:
            raise ShardError(f"{self.path}: not readable any more ({error})") from error

    def read_label(self, number: int) -> np.void:
        """Return a row of the shard's ``label_table``.

        Raises:
            ShardError: as for ``read``, or the file was cut.
        """
        size = self._label_type.itemsize
        try:
            row = os.pread(self._labels.fileno(), size, self._labels_start + number * size)
            return np.frombuffer(bytearray(row), self._label_type)[0]
        except (OSError, IndexError, ValueError) as error:
            path = labels_path(self.path)
            raise ShardError(f"{path}: not readable any more ({error}); {REBUILD}") from error

    def close(self) -> None:
        """Give the descriptors back."""
        self._files.close()

    def __del__(self) -> None:
        self.close()


def check_files(root: Path, entry: ShardEntry) -> None:
    """See that the files of a shard are there, and the tar of the right size.

    Raises:
        ShardError: they are not; names the file and the fix.
    """
    tar = root / entry.file
    if not tar.is_file():
        raise ShardError(f"{tar}: shard is missing; copy the data set again")
    num_bytes = tar.stat().st_size
    if num_bytes != entry.num_bytes:
        raise ShardError(
            f"{tar}: has {num_bytes} bytes, dataset.json says {entry.num_bytes}; it is truncated or"
            f" of another data set: copy it again, or if it was changed on purpose {REBUILD}"
        )
    if not labels_path(tar).is_file():
        raise ShardError(f"{labels_path(tar)}: labels are missing; {REBUILD}")


def _read_label_type(file: BinaryIO, num_samples: int) -> np.dtype:
    """Read the header of an npy file and return the type of its rows."""
    start = file.read(_HEADER_START)
    header = start + file.read(int.from_bytes(start[-2:], "little"))
    shape, dtype = _parse_header(header)
    if shape != (num_samples,) or dtype.hasobject or not dtype.names:
        raise ValueError(f"labels have the shape {shape} for {num_samples} samples")
    return dtype


@lru_cache(maxsize=1024)  # parsing takes five times as long as opening
def _parse_header(header: bytes) -> tuple[tuple[int, ...], np.dtype]:
    file = BytesIO(header)
    if np.lib.format.read_magic(file) != (1, 0):
        raise ValueError("labels have another version of the npy format")
    shape, _, dtype = np.lib.format.read_array_header_1_0(file)
    return shape, dtype
