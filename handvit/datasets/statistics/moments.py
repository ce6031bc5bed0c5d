"""Average vectors that come a chunk at a time."""

import numpy as np


class Moments:
    """Accumulate weighted mean and covariance of vectors, to full precision.

    Chunks are merged by their means and centred scatters (Chan, Golub and LeVeque 1983, eq. 1.5),
    which cancels nothing, unlike sums of squares.
    """

    def __init__(self, size: int) -> None:
        """Start with no vector.

        Args:
            size: D, numbers in a vector.
        """
        self.num_added = 0
        self.mean = np.zeros(size)  # (D,)
        self._weight = 0.0
        self._scatter = np.zeros((size, size))

    def add(self, values: np.ndarray, weight: float) -> None:
        """Add vectors (N, D) of the same weight each; N may be 0."""
        if not len(values):
            return
        before, added = self._weight, weight * len(values)
        chunk_mean = values.mean(axis=0)
        centred, shift = values - chunk_mean, chunk_mean - self.mean
        self._weight = before + added
        self._scatter += weight * centred.T @ centred
        self._scatter += before * added / self._weight * np.outer(shift, shift)
        self.mean = self.mean + added / self._weight * shift
        self.num_added += len(values)

    @property
    def covariance(self) -> np.ndarray:
        """Mean outer product of deviations from the mean, (D, D)."""
        return self._scatter / self._weight

    @property
    def std(self) -> np.ndarray:
        """Standard deviation of each number, (D,)."""
        return np.sqrt(self.covariance.diagonal())
