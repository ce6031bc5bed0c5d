import numpy as np
import pytest

from handvit.datasets.statistics.column_histograms import ColumnHistograms


@pytest.mark.parametrize("fraction", [0.0005, 0.25, 0.5, 0.9995])
def test_quantiles_agree_with_numpy_to_half_a_bin(fraction):
    rng = np.random.default_rng(0)
    first, second = rng.normal(0, 0.2, (3000, 3)), rng.normal(0.3, 0.4, (2000, 3))
    histograms = ColumnHistograms(-3, 3, num_bins=6000, num_columns=3)
    for chunk in np.split(first, 3):
        histograms.add(chunk, 0.1)
    histograms.add(second, 0.3)  # counts three times
    values = np.concatenate([first, *[second] * 3])
    expected = np.quantile(values, fraction, axis=0, method="inverted_cdf")
    assert np.allclose(histograms.quantile(fraction), expected, atol=0.5e-3 + 1e-9, rtol=0)


def test_counts_by_hand():
    histograms = ColumnHistograms(0, 2, num_bins=4, num_columns=2)
    histograms.add(np.array([[0.1, 1.9], [0.6, -5.0], [9.0, 2.0], [-0.1, 0.5]]), 0.5)
    assert histograms.edges.tolist() == [0, 0.5, 1, 1.5, 2]
    assert histograms.counts.tolist() == [[1.0, 0.5, 0, 0.5], [0.5, 0.5, 0, 1.0]]


def test_shares_outside_by_hand():
    histograms = ColumnHistograms(0, 4, num_bins=4, num_columns=2)
    histograms.add(np.array([[0.2, 1.1], [1.3, 2.9], [-7.0, 1.2], [3.9, 99.0]]), 0.5)
    assert histograms.share_outside(1, 3).tolist() == [0.75, 0.25]
    assert histograms.share_outside(0, 3).tolist() == [0.25, 0.25]


def test_an_empty_chunk_changes_nothing():
    histograms = ColumnHistograms(0, 1, num_bins=2)
    histograms.add(np.zeros((0, 1)), 1.0)
    assert not histograms.counts.any()
