"""Compute what a cache lacks, block by block, so that it can be broken off and gone on with."""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader

from handvit.datasets.hand_clip_dataset import HandClipDataset
from handvit.datasets.token_cache.cached_frames import CachedFrames
from handvit.datasets.token_cache.crop_columns import STORED_DTYPES, to_columns
from handvit.datasets.token_cache.frame_blocks import block_extent, missing_blocks, write_block
from handvit.datasets.token_cache.run_views import (
    Piece,
    RunPiece,
    RunPieces,
    cut_piece,
    split_runs,
)
from handvit.datasets.token_cache.token_cache_info import CachedPart


class TokenMaker:
    """Make the columns of pieces with a model."""

    def __init__(self, model: nn.Module, *, dtype: torch.dtype, autocast: bool) -> None:
        """Take the model.

        Args:
            model: a ``HandPoseEstimator`` whose spatial part is frozen.
            dtype: to keep the tokens in.
            autocast: compute in bfloat16, as a training under ``BF16OptimWrapper`` does.
        """
        self.model = model
        self.dtype = dtype
        self.autocast = autocast

    @torch.no_grad()
    def __call__(self, piece: RunPiece) -> dict[str, np.ndarray]:
        """Return one row a frame, see ``to_columns``."""
        crops = cut_piece(self.model.data_preprocessor, piece)
        device = crops.crop.device.type
        with torch.autocast(device, dtype=torch.bfloat16, enabled=self.autocast):
            tokens = self.model.extract_tokens(crops)
        return to_columns(crops, tokens, piece.sample_id, self.dtype)


class PartWriter:
    """Write the views of one data set of a cache."""

    def __init__(
        self, root: Path, dataset: HandClipDataset, *, number: int, weight: float, num_views: int
    ) -> None:
        """Choose the frames, and see which are there.

        Args:
            root: folder of the cache.
            number: of the data set in the mixture.
            weight: likewise.
        """
        self._dataset = dataset
        self._frames = CachedFrames.of(dataset)
        self._number = number
        self.part = CachedPart.of(dataset, self._frames, number=number, weight=weight)
        self._folder = root / self.part.folder
        self._missing = missing_blocks(
            self._folder, num_views=num_views, num_frames=self.part.num_frames
        )

    @property
    def num_missing(self) -> int:
        """How many frames are to be computed, each view counted."""
        return sum(stop - start for start, stop in map(self._extent, self._missing))

    def write(
        self,
        make: Callable[[RunPiece], dict[str, np.ndarray]],
        *,
        seed: int,
        piece_length: int,
        num_workers: int,
    ) -> Iterator[int]:
        """Compute and write what is missing; yield how many frames each step computed.

        Args:
            make: a ``TokenMaker``.
            seed: of the views.
            piece_length: frames to compute at once.
            num_workers: processes that read.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        self._frames.save(self._folder)
        pieces = {block: self._pieces(block, piece_length) for block in self._missing}
        in_order = [piece for of_block in pieces.values() for piece in of_block]
        source = RunPieces(self._dataset, self._frames, in_order, seed=(seed, self._number))
        loaded = iter(DataLoader(source, batch_size=None, num_workers=num_workers))
        for (view, number), of_block in pieces.items():
            columns = []
            for piece in of_block:
                columns.append(make(next(loaded)))
                yield piece.stop - piece.start
            write_block(self._folder, view, number, columns)

    def _pieces(self, block: tuple[int, int], length: int) -> list[Piece]:
        stretches = split_runs(self._frames.run, *self._extent(block), length=length)
        return [Piece(block[0], start, stop) for start, stop in stretches]

    def _extent(self, block: tuple[int, int]) -> tuple[int, int]:
        """Return where a block starts and stops among the frames."""
        return block_extent(block[1], self.part.num_frames)


def bytes_per_frame(num_tokens: int, dim: int, dtype: torch.dtype) -> int:
    """Return how much disk the tokens of a frame take; its labels take some 2 kB more."""
    return num_tokens * dim * STORED_DTYPES[dtype].itemsize
