"""Find any sample of a data set without holding its index in memory.

``index.npz`` in the data set's folder holds what the indexes of all shards say, column by column,
and the order of the frames in time. It is mapped: processes share what they touch of it.
"""

import zipfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from handvit.atomic_file import atomic_file
from handvit.datasets.shards.dataset_info import ShardEntry
from handvit.datasets.shards.mapped_arrays import map_arrays, write_arrays
from handvit.datasets.shards.shard_index import INDEX_DTYPE, REBUILD, ShardError, ShardIndex
from handvit.datasets.shards.track_order import TrackOrder, sort_tracks

INDEX_FILE = "index.npz"


class IndexRows:
    """Show columns as if they were one structured array, (N,) INDEX_DTYPE."""

    def __init__(self, columns: Mapping[str, np.ndarray]) -> None:
        self._columns = {name: columns[name] for name in INDEX_DTYPE.names}

    def __len__(self) -> int:
        return len(self._columns["track"])

    def __getitem__(self, key: Any) -> np.ndarray:
        """Return the column of a name, (N,) and not copied, or a copy of the selected rows."""
        if isinstance(key, str):
            return self._columns[key]
        selected = {name: column[key] for name, column in self._columns.items()}
        rows = np.empty(np.shape(selected["track"]), INDEX_DTYPE)
        for name, values in selected.items():
            rows[name] = values
        return rows[()]


class DatasetIndex:
    """Hold the rows of all shards of a data set, one shard after the other."""

    def __init__(self, columns: Mapping[str, np.ndarray]) -> None:
        """Wrap columns that ``merge`` made or ``load`` mapped."""
        self._columns = columns
        self._stamp: tuple[Path, int, int] | None = None  # path, bytes and time of the mapped file
        self.rows = IndexRows(columns)
        self.shard = columns["shard"]  # (N,) int32: which tar holds the row
        self.track_names = columns["track_names"]  # (num_tracks,) UTF-8 bytes, HandSample.track
        self.order = TrackOrder(
            columns["row_at"], columns["position_of"], int(columns["ambiguous_row"][0])
        )

    def __len__(self) -> int:
        return len(self.shard)

    def __reduce__(self) -> tuple[Callable, tuple]:
        """Pass on the name of a mapped file, not its content."""
        if self._stamp is None:
            return DatasetIndex, (self._columns,)
        return _map_again, self._stamp

    @classmethod
    def merge(cls, shards: Sequence[ShardEntry], indexes: Sequence[ShardIndex]) -> "DatasetIndex":
        """Join the indexes of shards; a track that spans shards becomes one track."""
        names, track_ids = np.unique(
            np.concatenate([index.track_names for index in indexes]), return_inverse=True
        )
        lengths = [len(index.rows) for index in indexes]
        columns = {
            name: np.concatenate([index.rows[name] for index in indexes])
            for name in INDEX_DTYPE.names
        }
        first_track = np.cumsum([0] + [len(index.track_names) for index in indexes[:-1]])
        tracks = track_ids[columns["track"] + np.repeat(first_track, lengths)]
        columns["track"] = tracks.astype("<i4")
        columns["shard"] = np.repeat(np.arange(len(indexes), dtype="<i4"), lengths)
        columns["track_names"] = names
        return cls.of_columns(shards, columns)

    @classmethod
    def of_columns(
        cls, shards: Sequence[ShardEntry], columns: Mapping[str, np.ndarray]
    ) -> "DatasetIndex":
        """Add to the facts of each row the order of the rows and what shards they are of."""
        order = sort_tracks(columns["track"], columns["frame_time"])
        order = order._replace(ambiguous_row=np.array([order.ambiguous_row]))
        return cls({**columns, **order._asdict(), **_shard_columns(shards)})

    def save(self, root: Path) -> None:
        """Write the index into a data set folder, atomically."""
        with atomic_file(root / INDEX_FILE) as file:
            write_arrays(file, self._columns)

    @classmethod
    def load(cls, root: Path, shards: Sequence[ShardEntry]) -> "DatasetIndex":
        """Map the index of a data set folder; takes no longer for a large one.

        Args:
            shards: what the index must be of, as ``dataset.json`` lists them.

        Raises:
            ShardError: it is missing, broken, or of other shards; names the file and the fix.
        """
        index = _map(root / INDEX_FILE)
        for name, column in _shard_columns(shards).items():
            if not np.array_equal(index._columns[name], column):
                raise ShardError(f"{root / INDEX_FILE}: is of other shards; {REBUILD}")
        return index


def _shard_columns(shards: Sequence[ShardEntry]) -> dict[str, np.ndarray]:
    """Return the list of shards as arrays, (num_shards,)."""
    columns = dict(zip(ShardEntry._fields, zip(*shards, strict=True), strict=True))
    return {
        "shard_file": np.array([file.encode() for file in columns["file"]]),
        "shard_num_samples": np.array(columns["num_samples"], "<i8"),
        "shard_num_bytes": np.array(columns["num_bytes"], "<i8"),
    }


def _map(path: Path) -> DatasetIndex:
    try:
        columns = map_arrays(path)
        index = DatasetIndex(columns)
        stat = path.stat()
    except FileNotFoundError as error:
        raise ShardError(f"{path}: index is missing; {REBUILD}") from error
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise ShardError(f"{path}: index is not readable ({error}); {REBUILD}") from error
    index._stamp = (path, stat.st_size, stat.st_mtime_ns)
    return index


def _map_again(path: Path, num_bytes: int, changed: int) -> DatasetIndex:
    index = _map(path)
    if index._stamp != (path, num_bytes, changed):
        raise ShardError(f"{path}: was replaced since the data set was opened; start again")
    return index
