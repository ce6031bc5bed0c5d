import math

import numpy as np
import pytest

from handvit.evaluation.one_euro import OneEuroFilter, OneEuroParams, smooth, smoothing_factor

PARAMS = OneEuroParams(min_cutoff=1.2, beta=0.7, d_cutoff=0.9)


class PaperFilter:
    """Algorithm 1 of the paper, written for one number at a time."""

    def __init__(self, mincutoff: float, beta: float, dcutoff: float) -> None:
        self.mincutoff, self.beta, self.dcutoff = mincutoff, beta, dcutoff
        self.hatxprev = self.dhatxprev = self.tprev = None

    @staticmethod
    def alpha(rate: float, cutoff: float) -> float:
        tau = 1.0 / (2 * math.pi * cutoff)
        period = 1.0 / rate
        return 1.0 / (1.0 + tau / period)

    def filter(self, x: float, t: float) -> float:
        if self.tprev is None:
            self.hatxprev, self.dhatxprev, self.tprev = x, 0.0, t
            return x
        rate = 1.0 / (t - self.tprev)
        dx = (x - self.hatxprev) * rate
        a = self.alpha(rate, self.dcutoff)
        edx = a * dx + (1 - a) * self.dhatxprev
        cutoff = self.mincutoff + self.beta * abs(edx)
        a = self.alpha(rate, cutoff)
        hatx = a * x + (1 - a) * self.hatxprev
        self.hatxprev, self.dhatxprev, self.tprev = hatx, edx, t
        return hatx


def irregular_track(num_frames: int = 50) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    times = np.cumsum(rng.uniform(0.01, 0.08, num_frames))
    return rng.normal(0, 1, (num_frames, 21, 3)).cumsum(axis=0) * 0.02, times


def test_agrees_with_the_paper_on_irregular_times():
    values, times = irregular_track()
    filtered = smooth(values, times, PARAMS)
    for joint, axis in [(0, 0), (7, 2), (20, 1)]:
        paper = PaperFilter(PARAMS.min_cutoff, PARAMS.beta, PARAMS.d_cutoff)
        expected = [paper.filter(x, t) for x, t in zip(values[:, joint, axis], times, strict=True)]
        assert np.allclose(filtered[:, joint, axis], expected, rtol=0, atol=1e-14)


def test_channels_do_not_mix():
    values, times = irregular_track()
    alone = smooth(values[:, 3, 1], times, PARAMS)
    assert np.array_equal(alone, smooth(values, times, PARAMS)[:, 3, 1])


def test_a_constant_stays():
    times = irregular_track()[1]
    values = np.full((50, 3), 0.6)
    assert np.allclose(smooth(values, times, PARAMS), 0.6, rtol=0, atol=1e-15)


def test_the_first_value_passes():
    values, times = irregular_track()
    assert np.array_equal(smooth(values, times, PARAMS)[0], values[0])


def test_times_matter():
    values, times = irregular_track()
    even = np.linspace(times[0], times[-1], len(times))
    assert not np.allclose(smooth(values, times, PARAMS), smooth(values, even, PARAMS))
    scaled = PARAMS._replace(
        min_cutoff=PARAMS.min_cutoff / 10, beta=PARAMS.beta, d_cutoff=PARAMS.d_cutoff / 10
    )
    assert np.allclose(smooth(values, 10 * times, scaled), smooth(values, times, PARAMS))


def test_jitter_shrinks_and_speed_lowers_lag():
    rng = np.random.default_rng(0)
    times = np.arange(120) / 30
    rest = rng.normal(0, 0.01, 120)
    assert smooth(rest, times, OneEuroParams(1.0, 0.0))[30:].std() < 0.6 * rest.std()
    ramp = 2.0 * times
    slow = np.abs(smooth(ramp, times, OneEuroParams(1.0, 0.0)) - ramp)[-1]
    quick = np.abs(smooth(ramp, times, OneEuroParams(1.0, 30.0)) - ramp)[-1]
    assert quick < 0.1 * slow


def test_smoothing_factor_by_hand():
    assert smoothing_factor(1 / (2 * math.pi), 1.0) == pytest.approx(0.5)


def test_time_must_grow():
    one_euro = OneEuroFilter(PARAMS)
    one_euro(np.zeros(3), 1.0)
    with pytest.raises(ValueError, match=r"1\.0 s follows 1\.0 s"):
        one_euro(np.zeros(3), 1.0)


@pytest.mark.parametrize(
    "params", [OneEuroParams(0.0, 1.0), OneEuroParams(1.0, -1.0), OneEuroParams(1.0, 1.0, 0.0)]
)
def test_senseless_parameters_are_refused(params):
    with pytest.raises(ValueError, match="min_cutoff > 0"):
        OneEuroFilter(params)
