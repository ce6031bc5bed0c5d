import numpy as np
import pytest
from scipy import stats

from handvit.evaluation.bootstrap import (
    SeedNoise,
    beyond_chance,
    bootstrap_difference,
    bootstrap_mean,
)

QUIET = dict(seed_std=0.0, degrees_of_freedom=0)


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
    difference = bootstrap_difference(easy + 0.001, easy, **QUIET)
    assert list(difference.interval) == pytest.approx([0.001] * 3)
    assert bootstrap_difference(easy, easy + 0.001, **QUIET).interval.high == pytest.approx(-0.001)


@pytest.mark.parametrize("degrees", [1, 2, 4, 30])
def test_other_seeds_widen_the_difference_by_students_t(degrees):
    errors, reference = np.full((2, 10), 0.05), np.full((3, 10), 0.04)
    noise = dict(seed_std=0.002, degrees_of_freedom=degrees)
    (mean, low, high), p_value = bootstrap_difference(errors, reference, **noise)
    half = stats.t.ppf(0.975, degrees) * 0.002
    assert mean == pytest.approx(0.01)
    assert [low, high] == pytest.approx([0.01 - half, 0.01 + half], abs=0.02 * half)
    assert p_value == pytest.approx(2 * stats.t.sf(5, degrees), rel=0.02, abs=3e-4)


def test_the_p_value_is_that_of_the_central_limit_theorem():
    values = np.random.default_rng(0).normal(0.0, 0.01, (1, 400))
    values += 0.001 - values.mean()  # two standard errors from zero
    p_value = bootstrap_difference(values, np.zeros((1, 400)), **QUIET).p_value
    assert p_value == pytest.approx(2 * stats.norm.sf(0.001 / (values.std() / 20)), rel=0.15)
    mirrored = bootstrap_difference(-values, np.zeros((1, 400)), **QUIET).p_value
    assert mirrored == pytest.approx(p_value, rel=0.15)
    same = bootstrap_difference(values, values, **QUIET)
    assert same.p_value == 1.0 and list(same.interval) == [0.0, 0.0, 0.0]


def test_many_comparisons_are_believed_together():
    """By hand: limits 0.05 / 4, / 3, / 2, / 1 in the order of the p-values."""
    assert beyond_chance([0.03, 0.01, 0.2, 0.016]) == [False, True, False, True]
    assert beyond_chance([0.02, 0.02, 0.02]) == [False] * 3  # the first is above 0.05 / 3
    assert beyond_chance([0.02]) == [True] and beyond_chance([]) == []


def test_seeds_of_one_method_average_out():
    errors = np.full((4, 10), 0.08)
    assert SeedNoise(0.1, 3).std(errors) == pytest.approx(0.1 * 0.08 / 2)


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
    noise = dict(seed_std=0.001, degrees_of_freedom=2)
    first = bootstrap_difference(errors, errors[:1], **noise)
    assert first == bootstrap_difference(errors, errors[:1], **noise)
