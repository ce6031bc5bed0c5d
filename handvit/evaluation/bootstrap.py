"""Say how far an average can be trusted: other test hands, and other seeds, would move it."""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

NUM_DRAWS = 2000
_COVERED = (2.5, 97.5)  # percent
_HANDS, _LUCK = 0, 1  # independent random streams


class Interval(NamedTuple):
    """Bound a mean with 95 % confidence."""

    mean: float
    low: float
    high: float


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


def bootstrap_mean(errors: np.ndarray) -> Interval:
    """Bound the mean error over hands like the tested ones, for the trainings that were tested.

    Args:
        errors: (S, N) of S trainings, N hands.
    """
    values = errors.mean(axis=0)
    return _interval(values, _mean_draws(values))


def bootstrap_difference(errors: np.ndarray, reference: np.ndarray, noise: SeedNoise) -> Interval:
    """Bound the mean of ``errors - reference``, hand by hand (paired), with other seeds in mind.

    Every draw takes N hands with replacement (Efron 1979) and adds what new seeds of both methods
    would: Student's t, as the noise is itself an estimate.

    Args:
        errors: (S, N) of S trainings, N hands.
        reference: (R, N) of R trainings, for the same hands.
    """
    values = errors.mean(axis=0) - reference.mean(axis=0)
    std = noise.share * np.hypot(*(e.mean() / np.sqrt(len(e)) for e in (errors, reference)))
    luck = np.random.default_rng(_LUCK).standard_t(max(1, noise.degrees_of_freedom), NUM_DRAWS)
    return _interval(values, _mean_draws(values) + std * luck)


def _mean_draws(values: np.ndarray) -> np.ndarray:
    """Average (N,) values over N of them drawn with replacement, (NUM_DRAWS,) times."""
    rng = np.random.default_rng(_HANDS)
    count = len(values)
    return np.array([values[rng.integers(count, size=count)].mean() for _ in range(NUM_DRAWS)])


def _interval(values: np.ndarray, draws: np.ndarray) -> Interval:
    low, high = np.percentile(draws, _COVERED)
    return Interval(float(values.mean()), float(low), float(high))
