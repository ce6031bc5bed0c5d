"""Read samples of a data set in any order."""

import json
import os
import tarfile
import zlib
from collections import OrderedDict
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from handvit.datasets.shards.dataset_index import DatasetIndex
from handvit.datasets.shards.dataset_info import DatasetInfo
from handvit.datasets.shards.open_shard import OpenShard, check_files
from handvit.datasets.shards.record_codec import decode_record
from handvit.datasets.shards.shard_index import REBUILD, ShardError
from handvit.datasets.shards.stored_samples import StoredSample
from handvit.structures import HandSample

MAX_OPEN_SHARDS = 128  # of two descriptors each; a process may have 1024


class ShardReader:
    """Give random access to the samples of a data set folder.

    Opening checks every shard against ``dataset.json`` and the index by size, without reading it;
    reading checks each sample against its checksum, so what was valid when it was indexed need not
    be validated again. Each process opens its own files, so a reader may be forked or pickled into
    workers; within a process it belongs to one thread.

    Raises:
        ValueError: ``dataset.json`` is missing or wrong.
        ShardError: a shard or its index is missing, cut, or does not fit the others.
    """

    def __init__(self, root: Path | str) -> None:
        self._shards: OrderedDict[int, OpenShard] = OrderedDict()
        self._owner = os.getpid()
        self.root = Path(root)
        self.info = DatasetInfo.load(root)
        if not self.info.shards:
            raise ValueError(f"{self.root}: dataset.json lists no shards; {REBUILD}")
        for entry in self.info.shards:
            check_files(self.root, entry)
        self.index = DatasetIndex.load(self.root, self.info.shards)
        self._first_rows = np.cumsum([0] + [entry.num_samples for entry in self.info.shards])

    def __len__(self) -> int:
        return len(self.index)

    def __getstate__(self) -> dict[str, Any]:
        """Leave the open files behind."""
        return {**self.__dict__, "_shards": OrderedDict()}

    def read_sample(self, row: int) -> HandSample:
        """Return a sample, which was validated when it was indexed, with its image still encoded.

        Raises:
            ShardError: it is not what was indexed; names shard and key.
        """
        return self.read_stored(row).to_sample()

    def read_record(self, row: int) -> dict[str, Any]:
        """Return what is stored of a sample besides its image.

        Raises:
            ShardError: it is not what was indexed; names shard and key.
        """
        return json.loads(bytes(self.read_stored(row).record))

    def read_stored(self, row: int) -> StoredSample:
        """Return a sample as it is stored.

        Raises:
            ShardError: it is not what was indexed; names shard and key.
        """
        # Image and record lie side by side in the tar, so both come in one read.
        columns = self.index.rows
        image, record = int(columns["image_offset"][row]), int(columns["record_offset"][row])
        image_end = image + int(columns["image_size"][row])
        record_end = record + int(columns["record_size"][row])
        start, stop = min(image, record), max(image_end, record_end)
        shard, number = self._locate(row)
        content = memoryview(shard.read(start, stop - start))
        if len(content) != stop - start:
            raise ShardError(f"{shard.path}: cut since it was opened (row {row}); copy it again")
        stored = StoredSample(
            image=content[image - start : image_end - start],
            record=content[record - start : record_end - start],
            label=shard.read_label(number),
        )
        checksum = 0
        for content in stored:
            checksum = zlib.crc32(content, checksum)
        if checksum != columns["checksum"][row]:
            self._explain(row, stored)
        return stored

    def describe(self, row: int) -> str:
        """Name the shard and the key of a row, for messages."""
        shard, _ = self._locate(row)
        offset = int(self.index.rows["image_offset"][row]) - tarfile.BLOCKSIZE
        header = shard.read(max(offset, 0), 100)  # a tar header starts with a name
        name = header.split(b"\0")[0].decode(errors="replace")
        return f"{shard.path}: key {name.rpartition('.')[0]!r} (row {row})"

    def _explain(self, row: int, stored: StoredSample) -> NoReturn:
        """Say what is wrong with a sample whose checksum is."""
        try:
            decode_record(bytes(stored.record), bytes(stored.image))
        except ValueError as error:
            raise ShardError(f"{self.describe(row)}: bad record: {error}") from error
        raise ShardError(
            f"{self.describe(row)}: is not what was indexed: damaged, or of another shard; copy it"
            f" again, or if it was changed on purpose {REBUILD}"
        )

    def _locate(self, row: int) -> tuple[OpenShard, int]:
        """Return this process's shard that holds a row, and which of its samples that is."""
        if self._owner != os.getpid():
            self._shards, self._owner = OrderedDict(), os.getpid()
        number = int(self.index.shard[row])
        if number not in self._shards:
            if len(self._shards) >= MAX_OPEN_SHARDS:
                self._shards.popitem(last=False)[1].close()
            self._shards[number] = OpenShard(self.root, self.info.shards[number])
        self._shards.move_to_end(number)
        return self._shards[number], int(row) - int(self._first_rows[number])
