from types import SimpleNamespace

import numpy as np
import pytest

from handvit.datasets.converters.cs_vit2.hand import MANO_POSES, FrameFacts, HandLabeller
from handvit.hand_models.mano_conversion import remove_mean_pose

FACTS = FrameFacts("cs_vit2/s/cam0/0/right", True, "ho3d", (0, 0), True, 0.0, "s/0.jpg")


@pytest.fixture(scope="module")
def true(make_world):
    world = make_world(num_frames=1, world_is_camera=True)
    return SimpleNamespace(pair=world.pair, hand=world.hands[0]["right"], camera=world.cameras[0])


@pytest.fixture
def row(true):
    """The arrays of one frame: millimetres, offsets from the mean pose, masks as floats."""
    hand, camera = true.hand, true.camera
    pose = remove_mean_pose(hand.hand_pose, true.pair.asset(True))
    return {
        "hand_bbox": np.array([1.0, 2.0, 3.0, 4.0]),
        "joint_img": camera.project(hand.keypoints),
        "joint_cam": hand.keypoints * 1000,
        "joint_2d_valid": np.ones(21),
        "joint_3d_valid": np.ones(21),
        "mano_pose": np.concatenate([hand.global_orient, pose]),
        "mano_shape": hand.betas,
        "has_mano": np.float64(1),
        "has_intr": np.float64(1),
        "timestamp": np.float64(0),
        "focal": camera.focal,
        "princpt": camera.princpt,
    }


@pytest.fixture
def labeller(true):
    return HandLabeller(true.pair, MANO_POSES["minus-mean"])


def test_truth_is_recovered(row, true, labeller, assert_truth):
    sample = labeller.label(row, FACTS).validate()
    assert_truth(sample, true.hand, true.camera, true.pair)
    assert sample.mano_valid and sample.mano_residual < 1e-6 and sample.camera_valid


def test_box_is_that_of_the_mesh_and_of_the_2d_keypoints(row, true, labeller):
    outline = true.camera.project(true.hand.vertices)
    row["joint_img"][3] = outline.max(0) + 7
    box = labeller.label(row, FACTS).bbox_xyxy
    np.testing.assert_allclose(box, [*outline.min(0), *(outline.max(0) + 7)], atol=0.01)


def test_absolute_poses_are_another_hand(row, true):
    offset = HandLabeller(true.pair, MANO_POSES["full"]).label(row, FACTS)
    assert offset.mano_residual > 0.002
    row["mano_pose"][3:] = true.hand.hand_pose
    absolute = HandLabeller(true.pair, MANO_POSES["full"]).label(row, FACTS)
    assert absolute.mano_residual < 1e-6


def test_mesh_lies_on_the_labelled_joints_on_average(row, true, labeller):
    row["joint_cam"][0, 0] += 8  # mm; the annotated wrist is not MANO's
    sample, offset = labeller.label(row, FACTS), np.array([0.0005, 0, 0])  # 8 / 16 joints
    np.testing.assert_allclose(sample.mano_root_cam, true.hand.root + offset, atol=1e-6)
    assert sample.mano_residual == pytest.approx((7.5 + 15 * 0.5) / 16 / 1000, abs=1e-6)
    points = np.concatenate([true.hand.vertices + offset, true.hand.keypoints])
    outline = true.camera.project(points)
    np.testing.assert_allclose(sample.bbox_xyxy, [*outline.min(0), *outline.max(0)], atol=0.01)


def test_mesh_is_placed_by_valid_joints_without_the_tips(row, true, labeller):
    row["joint_cam"][[4, 8, 12, 16, 20, 7]] += 50
    row["joint_3d_valid"][7] = 0
    sample = labeller.label(row, FACTS)
    np.testing.assert_allclose(sample.mano_root_cam, true.hand.root, atol=1e-6)
    assert sample.mano_residual < 1e-6


def test_a_lone_wrist_places_the_mesh(row, true, labeller):
    row["joint_3d_valid"][1:] = 0
    sample = labeller.label(row, FACTS)
    np.testing.assert_allclose(sample.mano_root_cam, true.hand.root, atol=1e-6)


def test_without_mano_the_stored_box_stays(row, labeller):
    row["has_mano"] = np.float64(0)
    sample = labeller.label(row, FACTS)
    assert not sample.mano_valid and not sample.hand_pose.any() and sample.mano_residual is None
    assert sample.bbox_xyxy.tolist() == [1, 2, 3, 4]


def test_left_hands_of_dexycb_keep_no_mano(row, labeller):
    for source, is_right, expected in (("dexycb", True, True), ("dexycb", False, False)):
        facts = FACTS._replace(source=source, is_right=is_right)
        assert labeller.label(row, facts).mano_valid == expected
    assert labeller.label(row, FACTS._replace(is_right=False)).mano_valid
    assert not labeller.label(row, FACTS._replace(source="DexYCB", is_right=False)).mano_valid


def test_masks_are_separate_facts(row, labeller):
    row["joint_2d_valid"][4], row["joint_3d_valid"][7] = 0, 0
    row["joint_cam"][7] = np.nan
    sample = labeller.label(row, FACTS).validate()
    assert np.flatnonzero(~sample.keypoints_img_valid).tolist() == [4]
    assert np.flatnonzero(~sample.keypoints_cam_valid).tolist() == [7]
    assert not sample.keypoints_img[4].any() and not sample.keypoints_cam[7].any()


def test_without_a_wrist_there_is_no_3d(row, labeller):
    row["joint_3d_valid"][0] = 0
    sample = labeller.label(row, FACTS)
    assert not sample.keypoints_cam_valid.any() and not sample.keypoints_cam.any()
    assert not sample.mano_valid and sample.keypoints_img_valid.all()


def test_virtual_cameras_are_kept_but_not_real(row, true, labeller):
    sample = labeller.label(row, FACTS._replace(has_real_camera=False))
    assert not sample.camera_valid
    assert sample.focal.tolist() == true.camera.focal.tolist()


def test_missing_cameras_are_guessed(row, labeller):
    row["has_intr"], row["focal"] = np.float64(0), np.zeros(2)
    sample = labeller.label(row, FACTS._replace(image_size=(320, 240)))
    assert not sample.camera_valid
    assert sample.focal.tolist() == [320, 320] and sample.princpt.tolist() == [159.5, 119.5]
