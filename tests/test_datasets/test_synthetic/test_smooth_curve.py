import numpy as np
import pytest

from handvit.datasets.synthetic.smooth_curve import HeldKeys, bspline


def test_agrees_with_scipy():
    interpolate = pytest.importorskip("scipy.interpolate")
    keys = np.random.default_rng(0).standard_normal((9, 2, 3))
    positions = np.linspace(0, 6, 50)
    reference = interpolate.BSpline(np.arange(-3.0, 10.0), keys, 3)
    np.testing.assert_allclose(bspline(keys, positions), reference(positions), atol=1e-12)


def test_straight_keys_give_a_straight_line():
    keys = np.arange(8.0)[:, None] * [1.0, -2.0]
    positions = np.array([0.0, 0.25, 3.0, 5.0])
    np.testing.assert_allclose(bspline(keys, positions), (positions[:, None] + 1) * [1.0, -2.0])


def test_stays_within_the_keys():
    keys = np.random.default_rng(0).uniform(-1, 1, (50, 4))
    curve = bspline(keys, np.linspace(0, 47, 1000))
    assert (abs(curve) <= 1).all()
    speed = np.diff(curve, axis=0) / (47 / 999)
    assert abs(speed).max() <= abs(np.diff(keys, axis=0)).max() + 1e-9


@pytest.mark.parametrize("duration", [0.0, 0.3, 4.0])
def test_held_keys_last_long_enough(duration):
    rng = np.random.default_rng(0)
    for _ in range(50):
        plan = HeldKeys.sample(rng, duration, seconds_per_key=0.3, max_hold=4)
        keys = rng.standard_normal((plan.num_keys, 2))
        curve = plan.curve(keys, np.linspace(0, duration, 7))
        assert curve.shape == (7, 2) and np.isfinite(curve).all()
        # Every key is used, for one to four steps.
        order, counts = np.unique(plan.order, return_counts=True)
        assert order.tolist() == list(range(plan.num_keys)) and counts.max() <= 4


def test_held_keys_are_reached():
    order = np.repeat([0, 1], 4)
    curve = HeldKeys(order, 0.5, 0.0).curve(np.array([3.0, 7.0]), np.array([0.0, 0.5, 2.0]))
    np.testing.assert_allclose(curve, [3.0, 3.0, 7.0])
