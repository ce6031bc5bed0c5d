import numpy as np
import pytest
from scipy import stats

from handvit.evaluation.bootstrap import SeedNoise, bootstrap_difference, bootstrap_mean

QUIET = SeedNoise(0.0, 0)


def test_the_interval_is_that_of_the_central_limit_theorem():
    values = np.random.default_rng(0).gamma(2.0, 0.02, (1, 900))
    mean, low, high = bootstrap_mean(values)
    half = 1.96 * values.std() / 30
    assert mean == pytest.approx(values.mean())
    assert [low, high] == pytest.approx([mean - half, mean + half], abs=0.1 * half)


def test_seeds_are_averaged_hand_by_hand():
    values = np.random.default_rng(0).normal(0.05, 0.01, (1, 200))
    swing = np.random.default_rng(1).normal(0, 0.05, (1, 200))
    together = bootstrap_mean(np.concatenate([values + swing, values - swing]))
    assert together == pytest.approx(bootstrap_mean(values))


def test_the_difference_is_paired():
    """Hands differ by far more than the two methods do, and that cancels."""
    easy = np.random.default_rng(0).uniform(0.01, 0.2, (1, 300))
    mean, low, high = bootstrap_difference(easy + 0.001, easy, QUIET)
    assert [mean, low, high] == pytest.approx([0.001] * 3)
    assert bootstrap_difference(easy, easy + 0.001, QUIET).high == pytest.approx(-0.001)


def test_other_seeds_widen_the_difference_by_students_t():
    errors, reference = np.full((2, 10), 0.05), np.full((3, 10), 0.04)
    mean, low, high = bootstrap_difference(errors, reference, SeedNoise(0.1, 4))
    half = stats.t.ppf(0.975, 4) * 0.1 * np.sqrt(0.05**2 / 2 + 0.04**2 / 3)
    assert mean == pytest.approx(0.01)
    assert [low, high] == pytest.approx([0.01 - half, 0.01 + half], abs=0.1 * half)


def test_the_noise_of_methods_is_pooled():
    one = np.exp([[1.0, 1.0], [3.0, 3.0]])  # logarithms 1 and 3: squares 2, 1 degree of freedom
    two = np.exp([[0.0, 0.0], [1.0, 1.0], [2.0, 2.0]])  # squares 2, 2 degrees
    alone = np.array([[100.0, 200.0]])
    assert SeedNoise.pooled([one, alone, two]) == pytest.approx((np.sqrt(4 / 3), 3))


def test_a_method_with_large_errors_does_not_speak_for_the_others():
    errors = np.array([[0.1, 0.3], [0.11, 0.33]])  # 10 % apart
    assert SeedNoise.pooled([errors, 100 * errors]).share == pytest.approx(0.067, abs=0.001)


def test_without_several_seeds_the_noise_is_unknown():
    assert SeedNoise.pooled([np.ones((1, 5)), np.ones((1, 5))]) == (0.0, 0)


def test_results_repeat():
    errors = np.random.default_rng(0).uniform(0, 0.1, (2, 50))
    noise = SeedNoise(0.01, 2)
    first = bootstrap_difference(errors, errors[:1], noise)
    assert first == bootstrap_difference(errors, errors[:1], noise)
