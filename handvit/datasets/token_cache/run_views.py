"""Augment whole runs of frames, so that clips can be cut from them afterwards.

What a clip shares in training (its camera change, its colours) all frames of a run share here; what
differs from frame to frame there (the error of the box) differs here too. A view of a run is a
function of the seed, the data set, the view and the run's last frame, whatever the pieces that it
is computed in.
"""

from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from handvit.datasets.hand_clip_dataset import HandClip, HandClipDataset
from handvit.datasets.hand_collate import hand_collate
from handvit.datasets.shards.stored_samples import StoredSample, StoredSamples
from handvit.datasets.token_cache.cached_frames import CachedFrames
from handvit.preprocessing import HandDataPreprocessor
from handvit.structures import HandBatch, HandCrops

_NO_PIXELS = np.zeros((1, 1, 3), np.uint8)


class Piece(NamedTuple):
    """Name neighbouring frames of one run, in one view."""

    view: int
    start: int  # among the cached frames
    stop: int


class RunPiece(NamedTuple):
    """Hold T frames of a run, and the labels of all its L frames."""

    run: HandBatch  # (1, L, ...), without pixels
    image: Tensor  # (1, T, 3, H, W) uint8
    start: int  # of the T frames in the run
    sample_id: list[str]  # (T,)
    seed: int  # of the view of the run


class RunPieces(Dataset):
    """Read pieces of one data set, for a loader with ``batch_size=None``."""

    def __init__(
        self,
        dataset: HandClipDataset,
        frames: CachedFrames,
        pieces: Sequence[Piece],
        *,
        seed: tuple[int, ...],
    ) -> None:
        """Take a data set and what of it to read.

        Args:
            seed: numbers that the random ones of a view depend on, besides view and run.
        """
        self._dataset = dataset
        self._frames = frames
        self._pieces = pieces
        self._seed = seed
        self._run_labels: Any = None

    def __len__(self) -> int:
        return len(self._pieces)

    def __getitem__(self, index: int) -> RunPiece:
        """Return a piece.

        Raises:
            ShardError: names shard and key of what cannot be read.
        """
        view, start, stop = self._pieces[index]
        first = int(self._frames.run[start])
        end = int(np.searchsorted(self._frames.run, first, side="right"))
        if self._run_labels is None:  # each worker has its own
            self._run_labels = lru_cache(2)(self._read_labels)
        stored, images = zip(
            *(self._dataset.read_frame(int(row)) for row in self._frames.row[start:stop]),
            strict=True,
        )
        return RunPiece(
            run=self._run_labels(first, end),
            image=hand_collate([_clip(stored, images)]).image,
            start=start - first,
            sample_id=[StoredSamples([one]).last_id for one in stored],
            seed=_view_seed(*self._seed, view, int(self._frames.row[end - 1])),
        )

    def _read_labels(self, first: int, end: int) -> HandBatch:
        rows = self._frames.row[first:end].tolist()
        stored = [self._dataset.reader.read_stored(row) for row in rows]
        return hand_collate([_clip(stored, [_NO_PIXELS] * len(stored))])


def split_runs(run: np.ndarray, start: int, stop: int, *, length: int) -> Iterator[tuple[int, int]]:
    """Split frames ``start`` to ``stop`` so that each piece is of one run, and not too long.

    Args:
        run: (K,) of all frames, see ``CachedFrames``.
        length: of the longest piece.
    """
    while start < stop:
        end = min(stop, start + length, int(np.searchsorted(run, run[start], side="right")))
        yield start, end
        start = end


@torch.no_grad()
def cut_piece(preprocessor: HandDataPreprocessor, piece: RunPiece) -> HandCrops:
    """Return the augmented crops (1, T, ...) of a piece on the preprocessor's device.

    Training draws the same for a clip that is the whole run.
    """
    run, image = preprocessor.cast_data((piece.run, piece.image))
    torch.manual_seed(piece.seed)
    with torch.autocast(image.device.type, enabled=False):
        cameras = preprocessor.choose_cameras(run, training=True)
        stop = piece.start + image.shape[1]
        return preprocessor.cut(image, _frames_of(cameras, piece.start, stop), training=True)


def _frames_of(value: Any, start: int, stop: int) -> Any:
    """Keep some of the frames of (nested) named tuples of tensors (1, L, ...)."""
    if isinstance(value, Tensor):
        return value[:, start:stop]
    if isinstance(value, list):  # ids, which clips have, not frames
        return value
    return type(value)(*(_frames_of(field, start, stop) for field in value))


def _clip(stored: Sequence[StoredSample], images: Sequence[np.ndarray]) -> HandClip:
    return HandClip(StoredSamples(stored), list(images), np.ones(len(stored), bool))


def _view_seed(*numbers: int) -> int:
    return int(np.random.SeedSequence(numbers).generate_state(1, np.uint64)[0])
