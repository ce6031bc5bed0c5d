from dataclasses import replace

import numpy as np
import pytest

from handvit.evaluation.summary import summarize
from handvit.evaluation.unknown_size import SizeSpread, at_mean_size


def test_a_hand_of_mean_size_stays(truth):
    sizes = SizeSpread.of(truth.select(np.arange(1)))
    assert sizes.share == 0
    one = truth.select(np.arange(1))
    assert at_mean_size(one, sizes.mean) == pytest.approx(one.keypoints_cam)


def test_a_large_hand_is_placed_too_near(truth):
    """Twice the mean size: at half its distance, on the same ray, with its own shape."""
    size = SizeSpread.of(truth.select(np.arange(1))).mean
    one = truth.select(np.arange(1))
    placed = at_mean_size(one, size / 2)
    assert placed[:, 0] == pytest.approx(one.keypoints_cam[:, 0] / 2)
    assert placed - placed[:, :1] == pytest.approx(one.keypoints_cam - one.keypoints_cam[:, :1])
    metrics = summarize(placed, one)
    distance = 1000 * np.linalg.norm(one.keypoints_cam[0, 0])
    assert metrics["root_error"] == pytest.approx(distance / 2)
    assert metrics["mpjpe_cam"] == pytest.approx(distance / 2)
    assert metrics["mpjpe_rel"] == pytest.approx(0, abs=1e-6)


def test_sizes_are_those_of_the_hands_wherever_they_are(truth):
    scale = np.where(np.arange(len(truth)) % 2, 0.9, 1.1)[:, None, None]
    one = np.repeat(truth.keypoints_cam[:1], len(truth), axis=0)
    alike = replace(truth, keypoints_cam=one)
    moved = replace(truth, keypoints_cam=one * scale + np.array([0.1, 0.2, 0.3]))
    mean, share = SizeSpread.of(moved)
    ratio = scale.mean()
    assert mean == pytest.approx(ratio * SizeSpread.of(alike).mean)
    assert share == pytest.approx(scale.std() / ratio)
