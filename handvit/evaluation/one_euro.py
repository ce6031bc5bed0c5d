"""Smooth a moving hand the cheap way: the baseline that a temporal model has to beat.

Casiez et al., "1 Euro Filter: A Simple Speed-based Low-pass Filter for Noisy Input in Interactive
Systems", CHI 2012. Values are metres and times seconds.
"""

from typing import NamedTuple

import numpy as np


class OneEuroParams(NamedTuple):
    """Say how strongly to smooth: less when the hand moves fast.

    ``cutoff = min_cutoff + beta * |speed|``, the speed itself being smoothed with ``d_cutoff``.
    """

    min_cutoff: float  # Hz: lower removes more jitter from a hand at rest
    beta: float  # Hz per m/s, that is 1/m: higher lags less behind a fast hand
    d_cutoff: float = 1.0  # Hz, of the speed

    def validate(self) -> "OneEuroParams":
        """Return the parameters if they make sense.

        Raises:
            ValueError: names the parameter and its range.
        """
        if not (self.min_cutoff > 0 and self.d_cutoff > 0 and self.beta >= 0):
            raise ValueError(f"{self}: want min_cutoff > 0 Hz, d_cutoff > 0 Hz and beta >= 0 1/m")
        return self


class OneEuroFilter:
    """Filter one stream of values, each channel by itself, with the times they were taken at."""

    def __init__(self, params: OneEuroParams) -> None:
        self.params = params.validate()
        self._time: float | None = None
        self._value = self._speed = np.zeros(())

    def __call__(self, value: np.ndarray, time: float) -> np.ndarray:
        """Return the filtered value; ``time`` in seconds must grow from call to call.

        Raises:
            ValueError: time stood still or ran backwards.
        """
        if self._time is None:
            self._time, self._value, self._speed = time, value, np.zeros_like(value)
            return value
        period = time - self._time
        if period <= 0:
            raise ValueError(
                f"frame_time: {time} s follows {self._time} s; the frames of a track need"
                " increasing times"
            )
        speed = (value - self._value) / period
        self._speed = _low_pass(speed, self._speed, smoothing_factor(self.params.d_cutoff, period))
        cutoff = self.params.min_cutoff + self.params.beta * np.abs(self._speed)
        self._value = _low_pass(value, self._value, smoothing_factor(cutoff, period))
        self._time = time
        return self._value


def smoothing_factor(cutoff: float | np.ndarray, period: float) -> float | np.ndarray:
    """Turn a cutoff in Hz into the weight of the new value after ``period`` s (equation 6)."""
    return 1 / (1 + 1 / (2 * np.pi * cutoff * period))


def smooth(values: np.ndarray, times: np.ndarray, params: OneEuroParams) -> np.ndarray:
    """Filter one track, (T, ...) values at (T,) seconds -> (T, ...)."""
    one_euro = OneEuroFilter(params)
    return np.stack([one_euro(value, time) for value, time in zip(values, times, strict=True)])


def _low_pass(value: np.ndarray, previous: np.ndarray, weight: float | np.ndarray) -> np.ndarray:
    return weight * value + (1 - weight) * previous
