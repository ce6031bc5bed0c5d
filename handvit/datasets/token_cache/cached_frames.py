"""Say which frames of a data set a cache holds, and find the frames of a clip among them."""

from pathlib import Path
from typing import NamedTuple

import numpy as np

from handvit.atomic_file import atomic_file
from handvit.datasets.clip_index import ClipIndex
from handvit.datasets.hand_clip_dataset import HandClipDataset
from handvit.datasets.shards.mapped_arrays import map_arrays, write_arrays
from handvit.datasets.shards.shard_index import INDEX_DTYPE
from handvit.datasets.shards.track_order import NO_ROW, TrackOrder

FRAMES_FILE = "frames.npz"
_CLIP = "clip."  # prefix of the columns of clips


class CachedFrames(NamedTuple):
    """Hold K frames run by run, each run in its order in time, and the N clips among them.

    A run is a stretch of neighbouring frames of one track without a gap; no clip leaves its run.
    """

    row: np.ndarray  # (K,) int32 in the data set
    run: np.ndarray  # (K,) int32: where the frame's run starts
    frame_time: np.ndarray  # (K,) float64 seconds
    last: np.ndarray  # (N,) int32: where each clip ends
    columns: dict[str, np.ndarray]  # (N,) each: rows of the data set's index, one a clip

    @classmethod
    def of(cls, dataset: HandClipDataset) -> "CachedFrames":
        """Return all frames that the clips of a data set can have."""
        order = dataset.reader.index.order
        last = order.position_of[dataset.rows]
        reach = dataset.stride * (dataset.clip_length - 1)
        before = np.minimum(dataset.clip_index.num_before(dataset.rows), reach)
        position = _covered(last - before, last, len(order.row_at))
        row = order.row_at[position]
        run_start = position - dataset.clip_index.num_before(row)
        is_first = np.r_[True, (np.diff(position) > 1) | (np.diff(run_start) > 0)]
        run = np.maximum.accumulate(np.where(is_first, np.arange(len(row)), 0))
        return cls(
            row.astype(np.int32),
            run.astype(np.int32),
            dataset.reader.index.rows["frame_time"][row],
            np.searchsorted(position, last).astype(np.int32),
            {name: dataset.column(name) for name in INDEX_DTYPE.names},
        )

    def save(self, folder: Path) -> None:
        """Write them into the folder of a part of a cache."""
        *arrays, columns = self
        names = self._fields[: len(arrays)]
        content = dict(zip(names, arrays, strict=True))
        content |= {f"{_CLIP}{name}": column for name, column in columns.items()}
        with atomic_file(folder / FRAMES_FILE) as file:
            write_arrays(file, {name: np.ascontiguousarray(x) for name, x in content.items()})

    @classmethod
    def load(cls, folder: Path) -> "CachedFrames":
        """Map them.

        Raises:
            OSError, ValueError, zipfile.BadZipFile: the file is missing or damaged.
        """
        content = map_arrays(folder / FRAMES_FILE)
        columns = {
            name.removeprefix(_CLIP): content.pop(name)
            for name in list(content)
            if name.startswith(_CLIP)
        }
        return cls(**content, columns=columns)

    def clip_index(self) -> ClipIndex:
        """Return what finds the places (T,) of a clip's frames from that of its last one."""
        places = np.arange(len(self.row), dtype=np.int32)
        sorted_frames = _SortedFrames(
            {"track": self.run, "frame_time": self.frame_time}, TrackOrder(places, places, NO_ROW)
        )
        return ClipIndex(sorted_frames, max_frame_gap=np.inf)


class _SortedFrames(NamedTuple):
    """Show runs to a ``ClipIndex`` as if they were tracks."""

    rows: dict[str, np.ndarray]
    order: TrackOrder


def _covered(first: np.ndarray, last: np.ndarray, size: int) -> np.ndarray:
    """Return which of ``range(size)`` lie in any of the stretches, ends included, ascending."""
    change = np.zeros(size + 1, np.int64)
    np.add.at(change, first, 1)
    np.add.at(change, last + 1, -1)
    return np.flatnonzero(change.cumsum()[:-1])
