import numpy as np
import pytest

from handvit.datasets.statistics.moments import Moments


def test_chunks_of_different_weights_agree_with_numpy():
    rng = np.random.default_rng(0)
    chunks = [
        (rng.normal(i, 1 + i, (n, 4)), w) for i, (n, w) in enumerate([(5, 2), (1, 7), (9, 1)])
    ]
    moments = Moments(4)
    for values, weight in chunks:
        moments.add(values, weight / 3)
    values = np.concatenate([values for values, _ in chunks])
    weights = np.repeat([w for _, w in chunks], [len(v) for v, _ in chunks])
    assert moments.num_added == 15
    assert np.allclose(moments.mean, np.average(values, axis=0, weights=weights), atol=1e-14)
    expected = np.cov(values.T, fweights=weights, ddof=0)
    assert np.allclose(moments.covariance, expected, rtol=1e-12)
    assert np.allclose(moments.std, np.sqrt(np.diag(expected)), rtol=1e-12)


def test_nothing_cancels_far_from_zero():
    values = 1e8 + np.random.default_rng(0).normal(0, 1e-3, (1000, 1))
    moments = Moments(1)
    for chunk in np.split(values, 10):
        moments.add(chunk, 0.1)
    assert moments.std[0] == pytest.approx(values.std(), rel=1e-6)


def test_an_empty_chunk_changes_nothing():
    moments = Moments(2)
    moments.add(np.zeros((0, 2)), 1.0)
    assert moments.num_added == 0
    moments.add(np.array([[1.0, 2.0]]), 3.0)
    moments.add(np.zeros((0, 2)), 1.0)
    assert moments.mean.tolist() == [1.0, 2.0] and not moments.covariance.any()
