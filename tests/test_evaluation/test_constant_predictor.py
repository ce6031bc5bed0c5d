from dataclasses import replace

import numpy as np
import pytest
from scipy.optimize import least_squares

from handvit.evaluation.constant_predictor import ConstantPredictor, rays_per_metre


def mirrored(truth):
    """The same scene in a mirror, in images 300 px wide."""
    flip = np.array([-1.0, 1.0, 1.0])
    x0, y0, x1, y1 = truth.bbox_xyxy.T
    return replace(
        truth,
        is_right=~truth.is_right,
        keypoints_cam=truth.keypoints_cam * flip,
        bbox_xyxy=np.stack([299 - x1, y0, 299 - x0, y1], axis=-1),
        princpt=np.stack([299 - truth.princpt[:, 0], truth.princpt[:, 1]], axis=-1),
    )


def test_rays_by_hand(truth):
    hand = replace(
        truth.select(np.array([0])),
        bbox_xyxy=np.array([[100.0, 40.0, 180.0, 60.0]]),  # centre (140, 50), 80 x 20
        focal=np.array([[200.0, 50.0]]),
        princpt=np.array([[120.0, 60.0]]),
    )
    expected = 100.0 / 40.0 * np.array([20 / 200, -10 / 50, 1.0])
    assert np.allclose(rays_per_metre(hand), expected)


def test_prior_is_the_least_squares_fit(truth):
    fitted = ConstantPredictor.fit(truth)
    prior = np.linalg.norm(rays_per_metre(truth), axis=-1)
    distance = np.linalg.norm(truth.keypoints_cam[:, 0], axis=-1)
    expected = least_squares(lambda k: k[0] * prior - distance, [0.1], xtol=1e-14).x[0]
    assert fitted.prior_k == pytest.approx(expected, rel=1e-6)


def test_hands_like_the_constant_are_predicted_exactly(truth):
    """Hands made by the model itself, half of them left."""
    made = ConstantPredictor(
        keypoints_rel=ConstantPredictor.fit(truth).keypoints_rel,
        prior_k=0.11,
        mean_offset=np.zeros(3),
        num_hands=1,
    )
    world = replace(truth, keypoints_cam=made.predict(truth))
    fitted = ConstantPredictor.fit(world)
    assert np.allclose(fitted.predict(world), world.keypoints_cam, atol=1e-12)
    assert fitted.num_hands == 21
    assert fitted.prior_k == pytest.approx(0.11)


def test_mean_errors_vanish_over_training_hands(truth):
    """The mean offset leaves no bias, the mean hand none either, in mirrored-right axes."""
    fitted = ConstantPredictor.fit(truth)
    flip = np.where(truth.is_right[:, None], 1.0, [-1.0, 1.0, 1.0])[:, None]
    error = (fitted.predict(truth) - truth.keypoints_cam) * flip
    assert np.allclose(error.mean(axis=0), 0, atol=1e-12)


def test_a_mirrored_world_gives_the_mirrored_answer(truth):
    fitted, other = ConstantPredictor.fit(truth), ConstantPredictor.fit(mirrored(truth))
    assert np.allclose(fitted.keypoints_rel, other.keypoints_rel)
    assert np.allclose(fitted.mean_offset, other.mean_offset)
    flip = np.array([-1.0, 1.0, 1.0])
    assert np.allclose(fitted.predict(mirrored(truth)), fitted.predict(truth) * flip)


def test_what_is_not_annotated_does_not_count(truth):
    gt, valid = truth.keypoints_cam.copy(), truth.keypoints_cam_valid.copy()
    camera_valid = truth.camera_valid.copy()
    gt[0], valid[0, 0] = 9.0, False  # no wrist
    gt[1], camera_valid[1] = 9.0, False
    gt[2, 5], valid[2, 5] = 9.0, False
    partial = replace(truth, keypoints_cam=gt, keypoints_cam_valid=valid, camera_valid=camera_valid)
    fitted = ConstantPredictor.fit(partial)
    assert fitted.num_hands == 19
    without = ConstantPredictor.fit(truth.select(np.arange(2, 21)))
    assert fitted.prior_k == pytest.approx(without.prior_k)
    assert np.allclose(
        np.delete(fitted.keypoints_rel, 5, 0), np.delete(without.keypoints_rel, 5, 0)
    )
    fifth = ConstantPredictor.fit(truth.select(np.arange(3, 21))).keypoints_rel[5]
    assert np.allclose(fitted.keypoints_rel[5], fifth)


def test_a_keypoint_that_never_occurs_is_an_error(truth):
    valid = truth.keypoints_cam_valid.copy()
    valid[:, 7] = False
    with pytest.raises(ValueError, match=r"keypoints \[7\] occur in none of the 21"):
        ConstantPredictor.fit(replace(truth, keypoints_cam_valid=valid))
    with pytest.raises(ValueError, match="none of the 0 training hands"):
        ConstantPredictor.fit(replace(truth, camera_valid=np.zeros(21, dtype=bool)))


def test_json_holds_plain_numbers(truth):
    values = ConstantPredictor.fit(truth).to_json()
    assert np.array(values["keypoints_rel"]).shape == (21, 3)
    assert isinstance(values["prior_k"], float) and values["num_hands"] == 21
