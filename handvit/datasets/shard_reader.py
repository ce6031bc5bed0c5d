"""Read samples of a data set in any order."""

import json
import os
import tarfile
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np

from handvit.datasets.dataset_info import DatasetInfo, ShardEntry
from handvit.datasets.shard_index import REBUILD, ShardError, ShardIndex
from handvit.structures import HandSample

MAX_OPEN_FILES = 64


class ShardReader:
    """Give random access to the samples of a data set folder.

    Opening checks every shard against ``dataset.json`` and its index by size, without reading it.
    Each process opens its own files, so a reader may be forked or pickled into workers; within a
    process it belongs to one thread.

    Raises:
        ValueError: ``dataset.json`` is missing or wrong.
        ShardError: a shard or its index is missing, cut, or does not fit the others.
    """

    def __init__(self, root: Path | str) -> None:
        self._files: OrderedDict[int, int] = OrderedDict()  # shard -> file descriptor
        self._owner = os.getpid()
        self.root = Path(root)
        self.info = DatasetInfo.load(root)
        if not self.info.shards:
            raise ValueError(f"{self.root}: dataset.json lists no shards; {REBUILD}")
        self.index = ShardIndex.concatenate(
            [_load_checked(self.root, entry) for entry in self.info.shards]
        )

    def __len__(self) -> int:
        return len(self.index.rows)

    def __getstate__(self) -> dict[str, Any]:
        """Leave the open files behind."""
        return {**self.__dict__, "_files": OrderedDict()}

    def __del__(self) -> None:
        """Close what this process opened."""
        if self._owner == os.getpid():
            for file in self._files.values():
                os.close(file)

    def read_sample(self, row: int) -> HandSample:
        """Return a validated sample with its image still encoded.

        Raises:
            ShardError: names shard, key and what is wrong.
        """
        image, record = self._read(row)
        try:
            return HandSample.from_record(json.loads(record), image)
        except (AttributeError, TypeError, ValueError) as error:
            raise ShardError(f"{self.describe(row)}: bad record: {error}") from error

    def read_record(self, row: int) -> dict[str, Any]:
        """Return what is stored of a sample besides its image, unchecked.

        Raises:
            ShardError: the record is no JSON; names shard and key.
        """
        try:
            return json.loads(self._read(row)[1])
        except ValueError as error:
            raise ShardError(f"{self.describe(row)}: bad record: {error}") from error

    def describe(self, row: int) -> str:
        """Name the shard and the key of a row, for messages."""
        offset = int(self.index.rows["image_offset"][row]) - tarfile.BLOCKSIZE
        header = os.pread(self._file(row), 100, max(offset, 0))  # a tar header starts with a name
        name = header.split(b"\0")[0].decode(errors="replace")
        return f"{self._path(row)}: key {name.rpartition('.')[0]!r} (row {row})"

    def _read(self, row: int) -> tuple[bytes, bytes]:
        """Return image and record bytes, in one read since the two lie side by side."""
        entry = self.index.rows[row]
        image, record = int(entry["image_offset"]), int(entry["record_offset"])
        image_end, record_end = image + int(entry["image_size"]), record + int(entry["record_size"])
        start, stop = min(image, record), max(image_end, record_end)
        content = os.pread(self._file(row), stop - start, start)
        if len(content) != stop - start:
            raise ShardError(f"{self._path(row)}: cut since it was opened; copy it again")
        image_bytes = content[image - start : image_end - start]
        return image_bytes, content[record - start : record_end - start]

    def _path(self, row: int) -> Path:
        return self.root / self.info.shards[self.index.shard[row]].file

    def _file(self, row: int) -> int:
        """Return this process's descriptor of the shard that holds a row."""
        if self._owner != os.getpid():
            self._files, self._owner = OrderedDict(), os.getpid()
        shard = int(self.index.shard[row])
        if shard not in self._files:
            if len(self._files) >= MAX_OPEN_FILES:
                os.close(self._files.popitem(last=False)[1])
            self._files[shard] = os.open(self._path(row), os.O_RDONLY)
        self._files.move_to_end(shard)
        return self._files[shard]


def _load_checked(root: Path, entry: ShardEntry) -> ShardIndex:
    tar = root / entry.file
    if not tar.is_file():
        raise ShardError(f"{tar}: shard is missing; copy the data set again")
    index = ShardIndex.load(tar)
    num_bytes = tar.stat().st_size
    if num_bytes != entry.num_bytes:
        raise ShardError(
            f"{tar}: has {num_bytes} bytes, dataset.json says {entry.num_bytes}; it is truncated or"
            f" of another data set: copy it again, or if it was changed on purpose {REBUILD}"
        )
    if len(index.rows) != entry.num_samples or index.tar_bytes[0] != num_bytes:
        raise ShardError(f"{tar}: its index belongs to another tar; {REBUILD}")
    rows = index.rows
    ends = np.maximum(
        rows["image_offset"] + rows["image_size"], rows["record_offset"] + rows["record_size"]
    )
    if (ends > num_bytes).any() or (rows["track"] >= len(index.track_names)).any():
        raise ShardError(f"{tar}: its index points outside the tar; {REBUILD}")
    return index
