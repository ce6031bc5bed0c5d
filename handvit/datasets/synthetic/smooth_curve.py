"""Join random key values by smooth curves that never leave the range of the keys.

Uniform cubic B-splines: continuous up to the acceleration, and every point is a weighted mean of
four neighbouring keys. What holds for the keys and is convex (joint limits, a view frustum, a top
speed) therefore holds for the whole curve.
"""

import math
from dataclasses import dataclass

import numpy as np

#: Keys that a cubic B-spline needs around a single interval.
_SUPPORT = 4


def bspline(keys: np.ndarray, positions: np.ndarray) -> np.ndarray:
    """Evaluate a uniform cubic B-spline, (K, ...) -> (T, ...).

    Args:
        keys: control values, K >= 4.
        positions: (T,) in [0, K - 3]; a step of one moves on by one key.
    """
    interval = np.minimum(positions.astype(np.int64), len(keys) - _SUPPORT)
    t = positions - interval
    weights = np.stack(
        [(1 - t) ** 3, 3 * t**3 - 6 * t**2 + 4, -3 * t**3 + 3 * t**2 + 3 * t + 1, t**3], axis=1
    )  # (T, 4)
    neighbours = keys[interval[:, None] + np.arange(_SUPPORT)]  # (T, 4, ...)
    return np.einsum("tk,tk...->t...", weights / 6, neighbours)


@dataclass(frozen=True)
class HeldKeys:
    """Plan a curve that dwells on some of its keys: by staying, it reaches them exactly.

    Args:
        order: (K,) which key value applies at each of the spline's steps.
        seconds_per_key: time from one step to the next.
        phase: where in the first step the curve begins, in [0, 1).
    """

    order: np.ndarray
    seconds_per_key: float
    phase: float

    @property
    def num_keys(self) -> int:
        """Number of different key values that the curve wants."""
        return int(self.order[-1]) + 1

    @classmethod
    def sample(
        cls, rng: np.random.Generator, duration: float, *, seconds_per_key: float, max_hold: int
    ) -> "HeldKeys":
        """Draw how many steps (1 to ``max_hold``) each key is held, to last ``duration`` s."""
        num_steps = math.ceil(duration / seconds_per_key) + _SUPPORT + 1
        holds = rng.integers(1, max_hold + 1, num_steps)
        order = np.repeat(np.arange(num_steps), holds)
        first = rng.integers(holds[0])  # begin anywhere within the first hold
        order = order[first : first + num_steps]
        return cls(order, seconds_per_key, float(rng.random()))

    def curve(self, keys: np.ndarray, times: np.ndarray) -> np.ndarray:
        """Move through ``keys`` (num_keys, ...) and return the values at ``times`` (T,) s."""
        return bspline(keys[self.order], self.phase + times / self.seconds_per_key)
