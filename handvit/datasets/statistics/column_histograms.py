"""Count numbers that come a chunk at a time, for quantiles and pictures."""

import numpy as np


class ColumnHistograms:
    """Count each of K columns of numbers in the same bins of equal width.

    What lies beyond the bins counts in the first or last one.
    """

    def __init__(self, low: float, high: float, *, num_bins: int, num_columns: int = 1) -> None:
        self.edges = np.linspace(low, high, num_bins + 1)  # (num_bins + 1,)
        self.counts = np.zeros((num_columns, num_bins))  # weights summed

    def add(self, values: np.ndarray, weight: float) -> None:
        """Add rows (N, K) of the same weight each."""
        num_columns, num_bins = self.counts.shape
        low, high = self.edges[[0, -1]]
        bins = ((values - low) / (high - low) * num_bins).astype(np.int64)
        places = bins.clip(0, num_bins - 1) + num_bins * np.arange(num_columns)  # (N, K)
        counts = np.bincount(places.ravel(), minlength=self.counts.size)
        self.counts += weight * counts.reshape(self.counts.shape)

    def quantile(self, fraction: float) -> np.ndarray:
        """Return below what number a fraction of each column lies, to half a bin, (K,)."""
        share = self.counts.cumsum(axis=1) / self.counts.sum(axis=1, keepdims=True)
        return self._centers()[(share < fraction).sum(axis=1)]

    def share_outside(self, low: float, high: float) -> np.ndarray:
        """Return what fraction of each column lies outside [low, high], to half a bin, (K,)."""
        centers = self._centers()
        is_outside = (centers < low) | (centers > high)
        return self.counts[:, is_outside].sum(axis=1) / self.counts.sum(axis=1)

    def _centers(self) -> np.ndarray:
        return (self.edges[:-1] + self.edges[1:]) / 2
