from dataclasses import replace

import numpy as np
import pytest

from handvit.evaluation.one_euro import OneEuroParams, smooth
from handvit.evaluation.one_euro_tracks import (
    DEFAULT_SETTINGS,
    GRID,
    OneEuroSettings,
    fit_one_euro,
    smooth_tracks,
)
from handvit.evaluation.summary import summarize

SETTINGS = OneEuroSettings(root=OneEuroParams(1.0, 2.0), rel=OneEuroParams(3.0, 0.5))


@pytest.fixture
def noisy(make_truth):
    """Three tracks of two seconds, wrist off by 10 mm and fingers by 3 mm, anew in each frame."""
    truth = make_truth(60)
    rng = np.random.default_rng(1)
    noise = rng.normal(0, 0.010, (180, 1, 3)) + rng.normal(0, 0.003, (180, 21, 3))
    return truth, truth.keypoints_cam + noise


def test_each_track_is_filtered_by_itself_in_the_order_of_time(noisy):
    truth, pred = noisy
    filtered = smooth_tracks(pred, truth.sample_id, truth.frame_time, SETTINGS)
    rows = slice(60, 120)
    time, root = truth.frame_time[rows], pred[rows, :1]
    expected = smooth(root, time, SETTINGS.root) + smooth(pred[rows] - root, time, SETTINGS.rel)
    assert np.allclose(filtered[rows], expected, rtol=0, atol=1e-15)

    order = np.random.default_rng(0).permutation(180)
    shuffled = smooth_tracks(pred[order], truth.sample_id[order], truth.frame_time[order], SETTINGS)
    assert np.array_equal(shuffled, filtered[order])


def test_wrist_and_hand_have_their_own_filters(noisy):
    truth, pred = noisy
    arguments = (pred, truth.sample_id, truth.frame_time)
    filtered = smooth_tracks(*arguments, SETTINGS)
    other_hand = smooth_tracks(*arguments, SETTINGS._replace(rel=OneEuroParams(0.3, 0.0)))
    assert np.array_equal(filtered[:, 0], other_hand[:, 0])
    assert not np.allclose(filtered[:, 5], other_hand[:, 5])


def test_the_fit_is_the_best_of_the_grid_and_helps(noisy):
    truth, pred = noisy
    settings = fit_one_euro(pred, truth)

    def error(root: OneEuroParams, rel: OneEuroParams) -> float:
        smoothed = smooth_tracks(
            pred, truth.sample_id, truth.frame_time, OneEuroSettings(root, rel)
        )
        return summarize(smoothed, truth)["mpjpe_cam"]

    best = error(*settings)
    assert best < 0.9 * summarize(pred, truth)["mpjpe_cam"]
    assert best < error(*DEFAULT_SETTINGS) + 1e-9
    for params in GRID[::9]:
        assert best <= error(settings.root, params) + 1e-9


def test_perfect_predictions_are_hardly_filtered(make_truth):
    truth = make_truth(60)
    settings = fit_one_euro(truth.keypoints_cam, truth)
    smoothed = smooth_tracks(truth.keypoints_cam, truth.sample_id, truth.frame_time, settings)
    assert summarize(smoothed, truth)["mpjpe_cam"] < 0.2


def test_the_fit_looks_at_annotated_hands_only(noisy):
    truth, pred = noisy
    broken = truth.keypoints_cam.copy()
    broken[:60] = 7.0
    valid = truth.keypoints_cam_valid.copy()
    valid[:60] = False
    partial = replace(truth, keypoints_cam=broken, keypoints_cam_valid=valid)
    assert fit_one_euro(pred, partial) == fit_one_euro(pred[60:], truth.select(np.arange(60, 180)))


def test_nothing_to_fit_is_an_error(truth):
    blind = replace(truth, camera_valid=np.zeros(21, dtype=bool))
    with pytest.raises(ValueError, match="none of 21 hands"):
        fit_one_euro(truth.keypoints_cam, blind)
