"""Measure motion in tracks: how fast, how smooth, how noisy, and at which rate.

A hand moves with a few changes of direction a second, whatever it does. So the frequency of its
motion tells whether times are right, even where the speed could be anything.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from handvit.datasets.doctor.anatomy import ADULT_EXTENT
from handvit.datasets.doctor.label_table import LabelTable

#: Steps that differ by less are one frame rate.
_STEP_TOLERANCE = 0.1
#: Sum of the squared coefficients of the n-th difference, times three axes: independent noise of
#: variance 1 on each coordinate adds this much to the difference's mean square.
_NOISE_GAIN = {1: 6, 2: 18, 4: 210}
#: Frames that one fourth difference needs.
WINDOW = 5


@dataclass(frozen=True, eq=False)
class TrackMotion:
    """Hold all samples ordered by track and time, and the steps between them.

    Steps are between ordered sample i and i + 1; ``is_step`` says that both are of one track, and
    ``is_even`` that they are one ordinary frame apart.
    """

    order: np.ndarray  # (N,) rows of the table
    seconds: np.ndarray  # (N-1,) of each step
    is_step: np.ndarray  # (N-1,) bool
    is_even: np.ndarray  # (N-1,) bool
    period: float  # seconds, median of all steps; NaN without any
    keypoints: np.ndarray  # (N, 21, 3) ordered, metres of an adult's hand, NaN where unknown

    @classmethod
    def of(cls, table: LabelTable) -> "TrackMotion":
        """Order the samples of a table.

        Lengths are scaled such that the median hand has an adult's size: speeds then mean the same
        in every unit, and a wrong unit is not reported as wrong motion.
        """
        order = np.lexsort((table.frame_time, table.track))
        is_step = np.diff(table.track[order]) == 0
        seconds = np.diff(table.frame_time[order])
        forward = is_step & (seconds > 0)
        period = float(np.median(seconds[forward])) if forward.any() else np.nan
        is_even = forward & (np.abs(seconds - period) <= _STEP_TOLERANCE * period)
        known = table.extent[np.isfinite(table.extent)]
        scale = ADULT_EXTENT / np.median(known) if len(known) else np.nan
        keypoints = table.known_keypoints_cam[order] * scale
        return cls(order, seconds, is_step, is_even, period, keypoints)

    @cached_property
    def step_length(self) -> np.ndarray:
        """Way of the fastest keypoint in each even step, (N-1,) metres; NaN in other steps."""
        length = np.linalg.norm(np.diff(self.keypoints, axis=0), axis=-1)  # (N-1, 21)
        longest = np.where(np.isfinite(length), length, -1).max(-1, initial=-1)
        return np.where(self.is_even & (longest >= 0), longest, np.nan)

    @cached_property
    def is_window(self) -> np.ndarray:
        """Where ``WINDOW`` frames at even steps begin, (N-4,) bool."""
        starts = len(self.is_even) - WINDOW + 2
        if starts <= 0:
            return np.zeros(0, bool)
        return np.all([self.is_even[i : i + starts] for i in range(WINDOW - 1)], axis=0)

    def spectrum(self) -> "MotionSpectrum | None":
        """Measure the motion of all keypoints in all windows, ``None`` where there is none."""
        starts = np.flatnonzero(self.is_window)
        difference = {n: np.diff(self.keypoints, n=n, axis=0)[starts] for n in _NOISE_GAIN}
        known = np.isfinite(difference[WINDOW - 1]).all(-1)  # (W, 21): in all frames of the window
        if not known.any():
            return None
        square = {n: (value[known] ** 2).sum(-1).mean() for n, value in difference.items()}
        return MotionSpectrum(len(starts), self.period, square[1], square[2], square[4])


@dataclass(frozen=True)
class MotionSpectrum:
    """Summarise motion by mean squares of its first, second and fourth differences, in m^2.

    Noise of the labels is told from motion by the fourth difference: motion that is sampled well
    has next to none of it, independent noise most of all.
    """

    num_windows: int
    period: float  # seconds between frames
    square_1: float
    square_2: float
    square_4: float

    @property
    def jitter(self) -> float:
        """Standard deviation of the noise of a coordinate, metres."""
        return float(np.sqrt(self.square_4 / _NOISE_GAIN[4]))

    @property
    def motion_share(self) -> float:
        """Part of the mean square step that is motion, not noise, in [0, 1]."""
        if self.square_1 == 0:
            return 0.0
        return max(0.0, 1 - _NOISE_GAIN[1] * self.jitter**2 / self.square_1)

    @property
    def speed(self) -> float:
        """Root mean square speed without the noise, m/s."""
        return float(np.sqrt(self.square_1 * self.motion_share)) / self.period

    @property
    def acceleration(self) -> float:
        """Root mean square acceleration without the noise, m/s^2."""
        square = max(0.0, self.square_2 - _NOISE_GAIN[2] * self.jitter**2)
        return float(np.sqrt(square)) / self.period**2

    @property
    def turn_per_frame(self) -> float:
        """Phase that the motion advances by from one frame to the next, radians in [0, pi].

        A coordinate ``sin(w t)`` has a second difference ``2 sin(w dt / 2)`` times its first.
        """
        if self.speed == 0:
            return np.nan
        ratio = self.acceleration * self.period / self.speed
        return 2 * float(np.arcsin(min(1.0, ratio / 2)))

    @property
    def frequency(self) -> float:
        """Characteristic frequency of the motion, Hz."""
        return self.turn_per_frame / (2 * np.pi * self.period)
