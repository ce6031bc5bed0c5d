"""Serve clips of one hand from a data set folder."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from mmengine.logging import print_log
from torch.utils.data import Dataset

from handvit.datasets.clip_index import ClipIndex
from handvit.datasets.image_codec import decode_image
from handvit.datasets.shard_index import ShardError
from handvit.datasets.shard_reader import ShardReader
from handvit.registry import DATASETS
from handvit.structures import HandSample


class HandClip(NamedTuple):
    """Hold T frames of one hand in their order; the last is the one to predict."""

    samples: list[HandSample]  # (T,)
    images: list[np.ndarray]  # (T,) of (H, W, 3) uint8 RGB
    frame_valid: np.ndarray  # (T,) bool: false where the track had no frame and another stands in


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
        max_bad_samples: int = 0,
    ) -> None:
        for name, value in (("clip_length", clip_length), ("stride", stride)):
            if value < 1:
                raise ValueError(f"{name}: {value} must be at least 1")
        self.reader = ShardReader(data_root)
        self.clip_length = clip_length
        self.stride = stride
        self.max_bad_samples = max_bad_samples
        self._rows = _select_rows(indices, len(self.reader))
        self._bad: set[int] = set()
        self._clips = self._index_clips(max_frame_gap)

    @property
    def metainfo(self) -> dict[str, Any]:
        """What the data set says of itself."""
        info = self.reader.info
        return {
            "name": info.name,
            "split": info.split,
            "hand_model": info.hand_model,
            "fingertips": info.fingertips,
        }

    @property
    def columns(self) -> np.ndarray:
        """Index rows of the predicted frames, (len,) INDEX_DTYPE, for samplers and reports."""
        return self.reader.index.rows[self._rows]

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, index: int) -> HandClip:
        """Return the clip that ends in frame ``index``.

        Raises:
            ShardError: names shard and key of what cannot be read.
        """
        while True:
            if index not in self._bad:
                try:
                    return self._read_clip(int(self._rows[index]))
                except ShardError as error:
                    self._count_bad(index, error)
            index = (index + 1) % len(self)

    def _read_clip(self, last_row: int) -> HandClip:
        rows, frame_valid = self._clips.clip(last_row, self.clip_length, self.stride)
        frames = {row: self._read_frame(row) for row in dict.fromkeys(rows.tolist())}
        samples, images = zip(*(frames[row] for row in rows.tolist()), strict=True)
        return HandClip(list(samples), list(images), frame_valid)

    def _read_frame(self, row: int) -> tuple[HandSample, np.ndarray]:
        sample = self.reader.read_sample(row)
        try:
            return sample, decode_image(sample.image, sample.image_size)
        except ValueError as error:
            raise ShardError(f"{self.reader.describe(row)}: {error}") from error

    def _count_bad(self, index: int, error: ShardError) -> None:
        if len(self._bad) >= min(self.max_bad_samples, len(self) - 1):
            if not self.max_bad_samples:
                raise error
            raise ShardError(
                f"{error} (more than max_bad_samples={self.max_bad_samples} unreadable samples)"
            ) from error
        self._bad.add(index)
        print_log(
            f"skipped sample, {len(self._bad)} of {self.max_bad_samples} allowed: {error}",
            logger="current",
            level=logging.WARNING,
        )

    def _index_clips(self, max_frame_gap: float) -> ClipIndex:
        rows = self.reader.index.rows
        clips = ClipIndex(rows["track"], rows["frame_time"], max_frame_gap=max_frame_gap)
        if self.clip_length > 1 and clips.ambiguous_row >= 0:
            row = clips.ambiguous_row
            raise ShardError(
                f"{self.reader.describe(row)}: track"
                f" {self.reader.index.track_names[rows['track'][row]].decode()!r} has two frames at"
                f" {rows['frame_time'][row]} s, so they have no order; convert the data set with"
                " real frame times, or one sequence for each single image, or use clip_length=1"
            )
        return clips


def _select_rows(indices: int | Sequence[int] | None, num_rows: int) -> np.ndarray:
    """Return the rows of ``indices``, (num_selected,) int64."""
    if indices is None:
        return np.arange(num_rows)
    rows = np.arange(indices) if isinstance(indices, int) else np.asarray(indices, np.int64)
    if not len(rows) or rows.min() < 0 or rows.max() >= num_rows:
        raise ValueError(
            f"indices: {indices} does not select from the {num_rows} frames of the data set"
        )
    return rows
