import numpy as np
import pytest

from handvit.datasets.converters.interhand_joints import (
    HAND_JOINTS,
    SeenJoints,
    WorldCamera,
    WorldJoints,
    tight_box,
)
from handvit.structures.skeleton import FINGER_NAMES, KEYPOINT_NAMES

# Names in the order of skeleton.txt, which both data sets share: right hand, then left hand.
RAW_NAMES = [
    f"{side}_{name}"
    for side in "rl"
    for name in [*(f"{finger}{i}" for finger in FINGER_NAMES for i in (4, 3, 2, 1)), "wrist"]
]


def camera() -> WorldCamera:
    turn = np.array([[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])  # x -> y, y -> -x
    place = np.array([0.0, 0.0, 0.5])
    return WorldCamera(turn, place, np.array([100.0, 200.0]), np.array([50.0, 40.0]))


def joints() -> WorldJoints:
    rng = np.random.default_rng(0)
    return WorldJoints(rng.uniform(-100, 100, (42, 3)), np.ones(42, bool))


def test_named_joints_survive_the_way_to_canonical_order_and_back():
    for is_right, side in ((True, "r"), (False, "l")):
        found = [RAW_NAMES[joint] for joint in HAND_JOINTS[is_right]]
        assert found == [f"{side}_{name}" for name in KEYPOINT_NAMES]
    everything = np.concatenate([HAND_JOINTS[True], HAND_JOINTS[False]])
    assert sorted(everything) == list(range(42))


def test_point_by_hand():
    point_cam = camera().to_cam(np.array([[0.1, 0.2, 0.5]]))
    np.testing.assert_allclose(point_cam, [[-0.2, 0.1, 1.0]])
    np.testing.assert_allclose(camera().project(point_cam), [[30.0, 60.0]])


def test_millimetres_become_metres_in_the_camera():
    raw = joints()
    seen = SeenJoints.of(raw, camera(), np.ones(42, bool))
    for is_right in (True, False):
        labels = seen.labels(is_right)
        expected = camera().to_cam(raw.world_coord[HAND_JOINTS[is_right]] / 1000)
        np.testing.assert_allclose(labels["keypoints_cam"], expected)
        pixels = expected[:, :2] / expected[:, 2:] * [100, 200] + [50, 40]
        np.testing.assert_allclose(labels["keypoints_img"], pixels)
        assert labels["keypoints_cam_valid"].all() and labels["keypoints_img_valid"].all()


def test_what_is_not_known_is_zero_and_not_valid():
    raw = joints()
    raw.joint_valid[3] = False  # thumb1
    raw.world_coord[7] = 1.0  # index1
    raw.world_coord[11, 2] = -600.0  # middle1, behind the camera
    inside = np.ones(42, bool)
    inside[15] = False  # ring1
    labels = SeenJoints.of(raw, camera(), inside).labels(True)
    assert np.flatnonzero(~labels["keypoints_cam_valid"]).tolist() == [1, 5, 9]
    assert np.flatnonzero(~labels["keypoints_img_valid"]).tolist() == [1, 5, 9, 13]
    assert not labels["keypoints_cam"][[1, 5, 9]].any()
    assert not labels["keypoints_img"][[1, 5, 9, 13]].any()


def test_joint_that_is_no_number_is_not_taken_for_one_behind_the_camera():
    raw = joints()
    raw.world_coord[3] = np.nan
    labels = SeenJoints.of(raw, camera(), np.ones(42, bool)).labels(True)
    assert labels["keypoints_cam_valid"].all() and not labels["keypoints_img_valid"][1]


@pytest.mark.parametrize("is_behind", [True, False])
@pytest.mark.parametrize("is_right", [True, False])
def test_hand_without_its_wrist_is_not_known_in_3d(is_right, is_behind):
    raw = joints()
    wrist = 20 if is_right else 41
    if is_behind:
        raw.world_coord[wrist, 2] = -600.0
    else:
        raw.joint_valid[wrist] = False
    seen = SeenJoints.of(raw, camera(), np.ones(42, bool))
    labels = seen.labels(is_right)
    assert not labels["keypoints_cam_valid"].any() and not labels["keypoints_cam"].any()
    assert labels["keypoints_img_valid"].sum() == 20
    assert seen.labels(not is_right)["keypoints_cam_valid"].all()


def test_joints_outside_the_image_are_known_in_3d_only():
    raw = joints()
    raw.world_coord[0] = [0.0, 252.0, 0.0]  # thumb4 at x = 50 - 50.4 px
    raw.world_coord[4] = [0.0, 253.0, 0.0]  # index4 at x = 50 - 50.6 px
    labels = SeenJoints.of(raw, camera(), np.ones(42, bool)).inside((100, 90)).labels(True)
    assert labels["keypoints_img_valid"][4] and not labels["keypoints_img_valid"][8]
    assert labels["keypoints_cam_valid"].all()


def test_objects_of_joint_3d_are_compacted():
    record = {"world_coord": [[1.0, 2.0, 3.0]] * 42, "joint_valid": [[1]] * 41 + [[0]]}
    found = WorldJoints.compact(record)
    assert found.world_coord.shape == (42, 3) and found.joint_valid.sum() == 41
    assert WorldJoints.compact({"7": found}) == {"7": found}


def test_box_by_hand():
    points = np.array([[3.0, 9.0], [5.0, 2.0], [4.0, 4.0]])
    assert tight_box(points).tolist() == [3.0, 2.0, 5.0, 9.0]
