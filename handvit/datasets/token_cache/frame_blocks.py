"""Keep what was computed of frames in files of a thousand frames, for each view."""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np

from handvit.atomic_file import atomic_file
from handvit.datasets.shards.mapped_arrays import map_arrays, write_arrays

BLOCK_FRAMES = 1024
_MAX_OPEN = 256  # of one descriptor each; a process may have 1024


def block_path(folder: Path, view: int, number: int) -> Path:
    """Return the file of frames ``number * BLOCK_FRAMES`` and on."""
    return folder / f"view{view:03d}-{number:06d}.npz"


def block_extent(number: int, num_frames: int) -> tuple[int, int]:
    """Return where a block starts and stops among the frames of a part."""
    start = number * BLOCK_FRAMES
    return start, min(start + BLOCK_FRAMES, num_frames)


def missing_blocks(folder: Path, *, num_views: int, num_frames: int) -> list[tuple[int, int]]:
    """Return view and number of the blocks that are not there."""
    return [
        (view, number)
        for view in range(num_views)
        for number in range(-(-num_frames // BLOCK_FRAMES))
        if not block_path(folder, view, number).is_file()
    ]


def write_block(
    folder: Path, view: int, number: int, pieces: Sequence[Mapping[str, np.ndarray]]
) -> None:
    """Write a block from pieces that follow each other; it is there whole or not at all."""
    arrays = {
        name: np.ascontiguousarray(np.concatenate([piece[name] for piece in pieces]))
        for name in pieces[0]
    }
    with atomic_file(block_path(folder, view, number)) as file:
        write_arrays(file, arrays)


class FrameBlocks:
    """Read single frames; files are mapped when they are first needed."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._map = lru_cache(_MAX_OPEN)(map_arrays)

    def frame(self, view: int, place: int) -> tuple[dict[str, np.ndarray], int]:
        """Return the arrays of the block that holds a frame, and its row in them."""
        number, row = divmod(place, BLOCK_FRAMES)
        return self._map(block_path(self._folder, view, number)), row
