import numpy as np
import pytest

from handvit.datasets.conversion.converter import Rejection
from handvit.datasets.converters.projected_labels import BEHIND, label_keypoints, label_mesh


@pytest.fixture
def hand(make_sample):
    sample = make_sample()
    sample.focal, sample.princpt = np.array([100.0, 200.0]), np.array([50.0, 40.0])
    return sample


def test_keypoints_by_hand(hand):
    keypoints, valid = np.zeros((21, 3)), np.zeros(21, bool)
    keypoints[3], valid[3] = [0.1, -0.05, 0.5], True
    labelled = label_keypoints(hand, keypoints, valid)
    np.testing.assert_allclose(labelled.keypoints_img[3], [100 * 0.2 + 50, 200 * -0.1 + 40])
    assert not np.delete(labelled.keypoints_img, 3, 0).any()
    assert labelled.keypoints_img_valid.tolist() == labelled.keypoints_cam_valid.tolist()
    assert labelled.keypoints_cam_valid.sum() == 1
    assert labelled.bbox_xyxy.tolist() == hand.bbox_xyxy.tolist()


def test_box_is_that_of_mesh_and_keypoints(hand):
    keypoints, vertices = np.full((21, 3), [0.0, 0.0, 1.0]), np.full((778, 3), [0.0, 0.0, 1.0])
    keypoints[0], vertices[5], vertices[6] = [-0.1, 0, 1], [0.3, 0.1, 1], [0, -0.2, 2]
    labelled = label_mesh(hand, keypoints, vertices)
    np.testing.assert_allclose(labelled.bbox_xyxy, [40, 20, 80, 60])
    assert labelled.keypoints_img_valid.all() and labelled.keypoints_cam_valid.all()


@pytest.mark.parametrize("depth", [0.0, -0.5])
def test_points_that_are_not_in_front_are_rejected(hand, depth):
    good = np.full((21, 3), [0.0, 0.0, 1.0]), np.full((778, 3), [0.0, 0.0, 1.0])
    for number, message in enumerate(
        (f"keypoints at z = {depth:.3f}", f"vertices at z = {depth:.3f}")
    ):
        points = [array.copy() for array in good]
        points[number][4, 2] = depth
        assert label_mesh(hand, *points) == Rejection(BEHIND, f"{message} m")


def test_invalid_keypoints_may_lie_anywhere(hand):
    keypoints, valid = np.zeros((21, 3)), np.zeros(21, bool)
    assert not isinstance(label_keypoints(hand, keypoints, valid), Rejection)
