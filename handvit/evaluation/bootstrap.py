"""Say how far an average can be trusted: other test hands, and other seeds, would move it."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from scipy import stats

NUM_DRAWS = 10_000
_AT_ONCE = 500  # keeps memory small
_COVERED = (2.5, 97.5)  # percent
_HANDS, _LUCK = 0, 1  # independent random streams


class Interval(NamedTuple):
    """Bound a mean with 95 % confidence."""

    mean: float
    low: float
    high: float


class Difference(NamedTuple):
    """Bound a mean difference, and say how easily chance alone makes one as large."""

    interval: Interval
    p_value: float  # two-sided


class SeedNoise(NamedTuple):
    """State how much the seed of a training moves its mean error."""

    share: float  # standard deviation, as a part of the mean error
    degrees_of_freedom: int  # behind ``share``; zero when no method has several trainings

    @classmethod
    def pooled(cls, errors: Iterable[np.ndarray]) -> "SeedNoise":
        """Estimate it from methods that were trained with several seeds, as one for all of them.

        It is a share, so that a method with large errors does not speak for all others.

        Args:
            errors: of each method, (S, N) metres: S trainings, N hands.
        """
        logs = [np.log(trainings.mean(axis=1)) for trainings in errors]
        degrees = sum(len(log) - 1 for log in logs)
        squares = sum(((log - log.mean()) ** 2).sum() for log in logs)
        return cls(float(np.sqrt(squares / max(1, degrees))), degrees)

    def std(self, errors: np.ndarray) -> float:
        """Return the standard deviation of the mean of (S, N) errors over other seeds."""
        return self.share * float(errors.mean()) / len(errors) ** 0.5


def bootstrap_mean(errors: np.ndarray) -> Interval:
    """Bound the mean error over hands like the tested ones, for the trainings that were tested.

    Args:
        errors: (S, N) of S trainings, N hands.
    """
    values = errors.mean(axis=0)
    return _interval(values, _mean_draws(values))


def bootstrap_difference(
    errors: np.ndarray, reference: np.ndarray, *, seed_std: float, degrees_of_freedom: int
) -> Difference:
    """Bound the mean of ``errors - reference``, hand by hand (paired), with other seeds in mind.

    Every draw takes N hands with replacement (Efron 1979) and adds what new seeds of both methods
    would: Student's t, as the noise is itself an estimate.

    Args:
        errors: (S, N) of S trainings, N hands.
        reference: (R, N) of R trainings, for the same hands.
        seed_std: standard deviation of the difference over other seeds, in the errors' unit.
        degrees_of_freedom: behind ``seed_std``; zero where it is unknown (and zero).
    """
    values = errors.mean(axis=0) - reference.mean(axis=0)
    draws = _mean_draws(values) + seed_std * _student_draws(max(1, degrees_of_freedom))
    rarer = min((draws <= 0).sum(), (draws >= 0).sum())
    p_value = min(1.0, 2 * (1 + int(rarer)) / (1 + NUM_DRAWS))
    return Difference(_interval(values, draws), p_value)


def beyond_chance(p_values: Sequence[float], level: float = 0.05) -> list[bool]:
    """Say which of several comparisons to believe, so that all are right with ``1 - level``.

    Holm 1979: the smallest p-value must not exceed ``level`` over the number of comparisons, the
    next one over the number of those left, and so on until the first that does.
    """
    believed = [False] * len(p_values)
    for rank, row in enumerate(np.argsort(p_values, kind="stable")):
        if p_values[row] > level / (len(p_values) - rank):
            break
        believed[row] = True
    return believed


def _mean_draws(values: np.ndarray) -> np.ndarray:
    """Average (N,) values over N of them drawn with replacement, (NUM_DRAWS,) times."""
    rng = np.random.default_rng(_HANDS)
    count = len(values)
    rows = (rng.integers(count, size=(_AT_ONCE, count)) for _ in range(NUM_DRAWS // _AT_ONCE))
    return np.concatenate([values[drawn].mean(axis=1) for drawn in rows])


def _student_draws(degrees_of_freedom: int) -> np.ndarray:
    """Return (NUM_DRAWS,) quantiles of Student's t, evenly spread and in random order.

    Random draws of so heavy tails would be lopsided.
    """
    quantiles = (np.arange(NUM_DRAWS) + 0.5) / NUM_DRAWS
    draws = stats.t.ppf(quantiles, degrees_of_freedom)
    return np.random.default_rng(_LUCK).permutation(draws)


def _interval(values: np.ndarray, draws: np.ndarray) -> Interval:
    low, high = np.percentile(draws, _COVERED)
    return Interval(float(values.mean()), float(low), float(high))
