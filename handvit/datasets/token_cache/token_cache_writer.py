"""Write a token cache part by part, so that it can be broken off and gone on with."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from handvit.atomic_file import atomic_file
from handvit.datasets.shards.mapped_arrays import map_arrays, write_arrays

BATCHES_PER_PART = 8


def part_path(root: Path, number: int) -> Path:
    """Return the file of one part."""
    return root / f"clips-{number:06d}.npz"


class TokenCacheWriter:
    """Collect the clips of batches and write them as parts of ``BATCHES_PER_PART`` batches."""

    def __init__(self, root: Path, *, num_parts: int) -> None:
        """Begin, or go on behind the parts that are there, but for the last one.

        Args:
            num_parts: that the cache will have.
        """
        self.root = root
        self._batches: list[dict[str, np.ndarray]] = []
        root.mkdir(parents=True, exist_ok=True)
        numbers = range(num_parts - 1)
        missing = (number for number in numbers if not part_path(root, number).is_file())
        self._part = next(missing, num_parts - 1)

    @property
    def num_batches(self) -> int:
        """How many batches are on disk."""
        return self._part * BATCHES_PER_PART

    def add(self, columns: dict[str, np.ndarray]) -> None:
        """Add the clips of one batch; a part that is full is written."""
        self._batches.append(columns)
        if len(self._batches) < BATCHES_PER_PART:
            return
        names = self._batches[0]
        part = {
            name: np.ascontiguousarray(np.concatenate([batch[name] for batch in self._batches]))
            for name in names
        }
        with atomic_file(part_path(self.root, self._part)) as file:
            write_arrays(file, part)
        self._part += 1
        self._batches = []


def map_parts(root: Path) -> Sequence[dict[str, np.ndarray]]:
    """Return the arrays of all parts in their order, mapped into memory."""
    return [map_arrays(path) for path in sorted(root.glob("clips-*.npz"))]
