"""Choose in what order, and how often, the samples of one data set are drawn.

An order divides a data set into walks that share its draws. A walk goes through its own rows epoch
by epoch, and what an epoch looks like depends on nothing but the generator it is given: so
``InfiniteMixtureSampler`` can begin anywhere.
"""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from torch.utils.data import Dataset

from handvit.datasets.shards.shard_index import INDEX_DTYPE
from handvit.registry import DATA_SAMPLERS


class Walk(Protocol):
    """Go through some samples of a data set, epoch by epoch."""

    size: int  # draws in an epoch
    share: float  # of the draws of its data set; those of all its walks make 1

    def epoch(self, rng: np.random.Generator) -> np.ndarray:
        """Return the indices of one epoch in the order to draw them, (size,) int."""


class DrawOrder(Protocol):
    """Divide a data set into walks; register your own in ``DATA_SAMPLERS``."""

    def walks(self, dataset: Dataset) -> Sequence[Walk]:
        """Return walks that are drawn from in turn, each by its share."""


@DATA_SAMPLERS.register_module()
class StoredOrder:
    """Draw the samples as they are stored, the same in every epoch."""

    def walks(self, dataset: Dataset) -> list[Walk]:
        """Return one walk over everything."""
        return [_FixedWalk(_all_indices(dataset))]


@DATA_SAMPLERS.register_module()
class ShuffledOrder:
    """Draw each sample once an epoch, in random order."""

    def walks(self, dataset: Dataset) -> list[Walk]:
        """Return one walk over everything."""
        return [_ShuffledWalk(_all_indices(dataset))]


@DATA_SAMPLERS.register_module()
class BalancedOrder:
    """Draw equally often from each bin of an index column, such as depth or box size.

    Rows whose column is NaN (hands without an annotated wrist have no ``root_depth``) are a bin of
    their own; bins without rows are left out. Within a bin every sample is drawn once before any
    repeats, so rare samples come back sooner than common ones.

    Args:
        column: a number of the shard index, see ``INDEX_DTYPE``.
        edges: ascending, in the column's unit; K edges make K + 1 bins, open at both ends. An edge
            belongs to the bin above it.
        max_boost: draw a bin at most so many times as often as its number of rows asks for, lest a
            handful of outliers be learned by heart. The sampler's one draw a chunk is the least.
    """

    def __init__(self, *, column: str, edges: Sequence[float], max_boost: float = 10.0) -> None:
        self.column = column
        self.edges = np.asarray(edges, np.float64)
        self.max_boost = max_boost
        if not max_boost >= 1:
            raise ValueError(f"BalancedOrder: max_boost {max_boost} must be at least 1")
        if not len(edges) or not (np.diff(self.edges) > 0).all():
            raise ValueError(f"BalancedOrder: edges {list(edges)} must ascend, and be at least one")

    def walks(self, dataset: Dataset) -> list[Walk]:
        """Return one walk for each bin that holds rows.

        Raises:
            ValueError: the index has no such column.
        """
        values = _column(dataset, self.column)
        bins = np.digitize(values, self.edges).astype(np.int16)  # short: sorts in linear time
        bins[np.isnan(values)] = len(self.edges) + 1
        rows = np.argsort(bins, kind="stable").astype(np.int32)
        parts = np.split(rows, np.cumsum(np.bincount(bins))[:-1])
        parts = [part for part in parts if len(part)]
        shares = self._shares(np.array([len(part) for part in parts]) / len(rows))
        return [_ShuffledWalk(*walk) for walk in zip(parts, shares.tolist(), strict=True)]

    def _shares(self, natural: np.ndarray) -> np.ndarray:
        """Return the shares of bins from those of their rows: equal, but for what is too rare."""
        shares, left = np.empty(len(natural)), 1.0
        for place, number in enumerate(np.argsort(natural, kind="stable")):
            equal = left / (len(natural) - place)  # the rare ones come first
            shares[number] = min(equal, self.max_boost * natural[number])
            left -= shares[number]
        return shares


@DATA_SAMPLERS.register_module()
class OneClipPerTrack:
    """Draw one random clip of each track an epoch, so long sequences weigh no more than short ones.

    Which clip it is, and the order of the tracks, are drawn anew in every epoch.
    """

    def walks(self, dataset: Dataset) -> list[Walk]:
        """Return one walk over the tracks."""
        return [_TrackWalk(_column(dataset, "track"))]


class _FixedWalk:
    share = 1.0

    def __init__(self, indices: np.ndarray) -> None:
        self.size = len(indices)
        self._indices = indices

    def epoch(self, _: np.random.Generator) -> np.ndarray:
        return self._indices


class _ShuffledWalk:
    def __init__(self, indices: np.ndarray, share: float = 1.0) -> None:
        self.size = len(indices)
        self.share = share
        self._indices = indices

    def epoch(self, rng: np.random.Generator) -> np.ndarray:
        return rng.permutation(self._indices)


class _TrackWalk:
    share = 1.0

    def __init__(self, track: np.ndarray) -> None:
        self._rows = np.argsort(track, kind="stable").astype(np.int32)  # track after track
        _, self._counts = np.unique(track, return_counts=True)
        self._starts = np.cumsum(self._counts) - self._counts
        self.size = len(self._counts)

    def epoch(self, rng: np.random.Generator) -> np.ndarray:
        clips = self._rows[self._starts + rng.integers(self._counts)]
        return rng.permutation(clips)


def _all_indices(dataset: Dataset) -> np.ndarray:
    return np.arange(len(dataset), dtype=np.int32)


def _column(dataset: Dataset, name: str) -> np.ndarray:
    """Return one index column of a ``HandClipDataset``, (len,)."""
    if name not in INDEX_DTYPE.names:
        raise ValueError(f"column: {name!r} is not one of {list(INDEX_DTYPE.names)}")
    return dataset.column(name)
