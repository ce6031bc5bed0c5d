"""Serve clips of one hand from a data set folder."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from torch.utils.data import Dataset

from handvit.datasets.clip_index import ClipIndex
from handvit.datasets.frame_stack import FrameStack, LooseFrames
from handvit.datasets.row_filter import Filter, rows_passing
from handvit.datasets.row_selection import rows_of, rows_with_history
from handvit.datasets.shards.bad_samples import BadSamples
from handvit.datasets.shards.image_codec import decode_image
from handvit.datasets.shards.shard_index import ShardError
from handvit.datasets.shards.shard_reader import ShardReader
from handvit.datasets.shards.stored_samples import StoredSample, StoredSamples
from handvit.datasets.shards.track_order import NO_ROW
from handvit.registry import DATASETS
from handvit.structures import HandSample


class HandClip(NamedTuple):
    """Hold T frames of one hand in their order; the last is the one to predict."""

    samples: Sequence[HandSample]  # (T,)
    images: list[np.ndarray]  # (T,) of (H, W, 3) uint8 RGB
    frame_valid: np.ndarray  # (T,) bool: false where the track had no frame and another stands in


class ClipBatch(list[HandClip]):
    """Hold B clips whose images were put into one ``FrameStack``; ``hand_collate`` knows it."""

    def __init__(self, clips: Iterable[HandClip], frames: FrameStack) -> None:
        super().__init__(clips)
        self.frames = frames


@DATASETS.register_module()
class HandClipDataset(Dataset):
    """Give the clip that ends in each frame, so its length does not depend on ``clip_length``.

    Args:
        data_root: folder with ``dataset.json``.
        clip_length: frames in a clip.
        stride: steps between the frames of a clip, counted in stored frames.
        max_frame_gap: seconds without a frame after which a track counts as new.
        indices: frames to predict: the first so many, or a list of rows; ``None`` for all. What
            came before them stays available as history.
        row_filter: config of a filter (or a built one) such as ``RowFilter``: frames to predict
            among those.
        min_valid_frames: predict only frames whose clip has so many real ones; ``clip_length`` for
            full clips.
        max_bad_samples: how many different clips may be unreadable (in each worker process); each
            is logged and replaced by the next one.
    """

    def __init__(
        self,
        data_root: Path | str,
        *,
        clip_length: int = 1,
        stride: int = 1,
        max_frame_gap: float = 0.5,
        indices: int | Sequence[int] | None = None,
        row_filter: dict | Filter | None = None,
        min_valid_frames: int = 1,
        max_bad_samples: int = 0,
    ) -> None:
        for name, value in (("clip_length", clip_length), ("stride", stride)):
            if value < 1:
                raise ValueError(f"{name}: {value} must be at least 1")
        self.reader = ShardReader(data_root)
        self.clip_length = clip_length
        self.stride = stride
        self.clip_index = self._index_clips(max_frame_gap)
        self.rows = self._select_rows(indices, row_filter, min_valid_frames)
        self._bad = BadSamples(min(max_bad_samples, len(self) - 1))  # one has to be left

    @property
    def metainfo(self) -> dict[str, Any]:
        """What the data set says of itself."""
        return self.reader.info.metainfo

    @property
    def columns(self) -> np.ndarray:
        """Index rows of the predicted frames, (len,) INDEX_DTYPE, for samplers and reports."""
        return self.reader.index.rows[self.rows]

    def column(self, name: str) -> np.ndarray:
        """Return one column of ``columns`` without touching the others, (len,)."""
        return self.reader.index.rows[name][self.rows]

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> HandClip:
        """Return the clip that ends in frame ``index``.

        Raises:
            ShardError: names shard and key of what cannot be read.
        """
        return self.read_clip(index, LooseFrames(), 0)

    def __getitems__(self, indices: Sequence[int]) -> ClipBatch:
        """Return several clips; torch's loader calls this rather than ``__getitem__``."""
        frames = FrameStack(len(indices) * self.clip_length)
        clips = [self.read_clip(index, frames, clip) for clip, index in enumerate(indices)]
        return ClipBatch(clips, frames)

    def read_clip(self, index: int, frames: FrameStack | LooseFrames, clip: int) -> HandClip:
        """Return the clip that ends in frame ``index``, with its images at a place in ``frames``.

        Args:
            clip: which clip of the batch it is to be.

        Raises:
            ShardError: names shard and key of what cannot be read.
        """
        while True:
            if index not in self._bad:
                try:
                    return self._read_clip(int(self.rows[index]), frames, clip)
                except ShardError as error:
                    self._bad.add([index], error)
            index = (index + 1) % len(self)

    def _read_clip(self, last_row: int, frames: FrameStack | LooseFrames, clip: int) -> HandClip:
        rows, frame_valid = self.clip_index.clip(last_row, self.clip_length, self.stride)
        stored, images = {}, {}
        for t, row in enumerate(rows.tolist()):
            if row not in stored:  # where history is missing a row comes several times
                stored[row], image = self.read_frame(row)
                images[row] = frames.put(clip * self.clip_length + t, image)
        return HandClip(
            StoredSamples([stored[row] for row in rows.tolist()]),
            [images[row] for row in rows.tolist()],
            frame_valid,
        )

    def read_frame(self, row: int) -> tuple[StoredSample, np.ndarray]:
        """Return one frame of the data set, predicted or not, and its pixels (H, W, 3).

        Raises:
            ShardError: names shard and key of what cannot be read.
        """
        stored = self.reader.read_stored(row)
        try:
            return stored, decode_image(stored.image, stored.image_size)
        except ValueError as error:
            raise ShardError(f"{self.reader.describe(row)}: {error}") from error

    def _index_clips(self, max_frame_gap: float) -> ClipIndex:
        index = self.reader.index
        row = index.order.ambiguous_row
        if self.clip_length > 1 and row != NO_ROW:
            raise ShardError(
                f"{self.reader.describe(row)}: track"
                f" {index.track_names[index.rows['track'][row]].decode()!r} has two frames at"
                f" {index.rows['frame_time'][row]} s, so they have no order; convert the data set"
                " with real frame times, or one sequence for each single image, or use"
                " clip_length=1"
            )
        return ClipIndex(index, max_frame_gap=max_frame_gap)

    def _select_rows(
        self,
        indices: int | Sequence[int] | None,
        row_filter: dict | Filter | None,
        min_valid_frames: int,
    ) -> np.ndarray:
        """Return the rows of the frames to predict, (len,)."""
        if not 1 <= min_valid_frames <= self.clip_length:
            raise ValueError(
                f"min_valid_frames: {min_valid_frames} must be 1 to clip_length={self.clip_length}"
            )
        rows, name = rows_of(indices, len(self.reader)), self.reader.info.name
        if row_filter is not None:
            rows = rows_passing(row_filter, rows, self.reader.index.rows, dataset_name=name)
        if min_valid_frames > 1:
            num_before = self.stride * (min_valid_frames - 1)
            rows = rows_with_history(
                rows, self.clip_index, num_before=num_before, dataset_name=name
            )
        return rows
