import json
from typing import Any

import numpy as np
import pytest

from handvit.datasets.conversion.converter import Rejection
from handvit.datasets.converters.ho3d.conventions import to_keypoints
from handvit.datasets.converters.ho3d.labels import (
    EMPTY_BOX,
    MISFIT,
    OTHER_TRUTH,
    EvaluationLabels,
    GroundTruthLabels,
    TrainLabels,
)
from handvit.datasets.converters.projected_labels import BEHIND
from handvit.hand_models.hand_pair import HandPair
from handvit.hand_models.mano_conversion import rotate_global_orient
from handvit.structures import HandSample
from handvit.structures.skeleton import FINGERTIP_VERTICES, KEYPOINT_NAMES

FLIP = np.array([1.0, -1.0, -1.0])
HANDS = HandPair.load("openhand")
FINGERS = ("index", "middle", "pinky", "ring", "thumb")
TIPS = ("thumb4", "index4", "middle4", "ring4", "pinky4")
#: HO3D's joints in its own order.
HO3D_NAMES = ("wrist", *(f"{finger}{i}" for finger in FINGERS for i in (1, 2, 3)), *TIPS)
TO_HO3D = [KEYPOINT_NAMES.index(name) for name in HO3D_NAMES]


@pytest.fixture(scope="module")
def world(make_world):
    return make_world(sides=("right",), world_is_camera=True, fingertips="ho3d", size=(640, 480))


@pytest.fixture(scope="module")
def hand(world):
    return world.hands[1]["right"]


def train_meta(hand: Any) -> dict[str, np.ndarray]:
    orient = rotate_global_orient(hand.global_orient, np.diag(FLIP))
    return {
        "camMat": np.eye(3),
        "handPose": np.concatenate([orient, hand.hand_pose]),
        "handTrans": FLIP * hand.root - (hand.root - hand.transl),
        "handBeta": hand.betas,
        "handJoints3D": (FLIP * hand.keypoints)[TO_HO3D],
    }


def blank(world: Any) -> HandSample:
    camera = world.cameras[0]
    return HandSample(
        sample_id="ho3d_v3/SM2/cam0/0001/right",
        image=b"",
        image_size=camera.size,
        is_right=True,
        bbox_xyxy=np.zeros(4),
        focal=camera.focal,
        princpt=camera.princpt,
        camera_valid=True,
    )


def label_train(world: Any, **changes: np.ndarray) -> HandSample | Rejection:
    meta = train_meta(world.hands[1]["right"])
    return TrainLabels(HANDS, [meta]).label(blank(world), {**meta, **changes}, 0)


def test_train_labels(world, hand, assert_truth):
    sample = label_train(world)
    assert_truth(sample, hand, world.cameras[0], HandPair.load("openhand", fingertips="ho3d"))
    assert sample.mano_valid and sample.mano_residual < 1e-9


def test_pose_with_the_mean_added_is_rejected(world, hand):
    pose = train_meta(hand)["handPose"]
    pose[3:] += HANDS.asset(True).hands_mean
    rejection = label_train(world, handPose=pose)
    assert rejection.reason == MISFIT and " mm off" in rejection.where


def test_translation_in_other_axes_is_rejected(world, hand):
    rejection = label_train(world, handTrans=FLIP * hand.transl)
    gap = float(rejection.where.split(" is ")[1].split(" mm")[0])
    assert 15 < gap < 20


@pytest.mark.parametrize(("joint", "is_kept"), [(16, True), (20, True), (15, False), (0, False)])
def test_joints_must_be_those_of_mano_and_tips_need_not(world, hand, joint, is_kept):
    joints = train_meta(hand)["handJoints3D"]
    joints[joint, 0] += 0.0011
    sample = label_train(world, handJoints3D=joints)
    assert isinstance(sample, HandSample) == is_kept
    if is_kept:
        assert sample.mano_residual == pytest.approx(0.0011 / 21)
        np.testing.assert_allclose(sample.keypoints_cam, to_keypoints(joints))


def test_hands_behind_the_camera_are_rejected(world, hand):
    meta = train_meta(hand)
    behind = {name: meta[name] + [0, 0, 2] for name in ("handTrans", "handJoints3D")}
    assert label_train(world, **behind).reason == BEHIND


@pytest.mark.parametrize("name", FINGERTIP_VERTICES)
def test_tip_vertices_are_found(world, hand, name):
    keypoints = hand.keypoints.copy()
    keypoints[[4, 8, 12, 16, 20]] = hand.vertices[list(FINGERTIP_VERTICES[name])] + [9e-4, 0, 0]
    meta = {**train_meta(hand), "handJoints3D": (FLIP * keypoints)[TO_HO3D]}
    labels = TrainLabels(HANDS, [meta])
    assert labels.fingertips == name
    assert f"0.9 mm from {name!r}" in labels.note and "distance of all keypoints" in labels.note
    sample = labels.label(blank(world), meta, 0)
    assert sample.mano_residual == pytest.approx(5 * 0.0009 / 21)


def test_unknown_tips_are_compared_with_nothing(world, hand):
    meta = train_meta(hand)
    meta["handJoints3D"][16:, 0] += 0.004
    meta["handJoints3D"][15, 0] += 0.0008
    labels = TrainLabels(HANDS, [meta])
    assert labels.fingertips is None and labels.hand_model == "openhand"
    assert "4.0 mm from 'ho3d'" in labels.note and "joints without the tips" in labels.note
    sample = labels.label(blank(world), meta, 0)
    assert sample.mano_valid and sample.mano_residual == pytest.approx(0.0008 / 16)


def test_tips_are_judged_by_all_probes(world, hand):
    probes = [train_meta(hand) for _ in range(3)]
    probes[0]["handJoints3D"][16:, 0] += 0.004
    assert TrainLabels(HANDS, probes).fingertips == "ho3d"


def evaluation_meta(hand: Any) -> dict[str, np.ndarray]:
    return {"handJoints3D": FLIP * hand.root, "handBoundingBox": np.array([10.0, 20.0, 90.0, 70.0])}


def test_evaluation_labels_are_wrist_and_box(world, hand):
    sample = EvaluationLabels().label(blank(world), evaluation_meta(hand), 0)
    np.testing.assert_allclose(sample.keypoints_cam[0], hand.root)
    assert sample.keypoints_cam_valid.sum() == sample.keypoints_img_valid.sum() == 1
    assert sample.bbox_xyxy.tolist() == [10, 20, 90, 70] and not sample.mano_valid


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"handBoundingBox": np.array([5.0, 5.0, 5.0, 9.0])}, EMPTY_BOX),
        ({"handJoints3D": np.array([0, 0, 0.7])}, BEHIND),
    ],
)
def test_bad_labels_of_the_evaluation_are_rejected(world, hand, changes, reason):
    meta = {**evaluation_meta(hand), **changes}
    assert EvaluationLabels().label(blank(world), meta, 0).reason == reason


@pytest.fixture
def truth(world, tmp_path):
    """Ground truth of all frames of the world."""
    hands = [hands["right"] for hands in world.hands]
    xyz = [(FLIP * hand.keypoints)[TO_HO3D].tolist() for hand in hands]
    verts = [(FLIP * hand.vertices).tolist() for hand in hands]
    (tmp_path / "evaluation_xyz.json").write_text(json.dumps(xyz))
    (tmp_path / "evaluation_verts.json").write_text(json.dumps(verts))
    return tmp_path


def test_ground_truth_labels(world, hand, truth, assert_truth):
    labels = GroundTruthLabels(truth, num_frames=3)
    assert labels.fingertips == "ho3d"
    sample = labels.label(blank(world), evaluation_meta(hand), 1)
    assert sample.keypoints_cam_valid.all() and sample.keypoints_img_valid.all()
    assert_truth(sample, hand, world.cameras[0], HANDS)


def test_ground_truth_with_unknown_tips(truth):
    path = truth / "evaluation_xyz.json"
    joints = np.array(json.loads(path.read_text()))
    for number, fingertips in ((0, "ho3d"), (1, None)):  # the second of three is the median
        joints[number, 16:, 0] += 0.004
        path.write_text(json.dumps(joints.tolist()))
        labels = GroundTruthLabels(truth, num_frames=3)
        assert labels.fingertips == fingertips and "median of 3 hands" in labels.note
    assert "no known set" in labels.note and "4.0 mm from 'ho3d'" in labels.note


@pytest.mark.parametrize("entry", [[[1.0, 2.0, 3.0]], [[float("nan")] * 3] * 778, [None]])
def test_meshes_of_the_ground_truth_are_checked(truth, entry):
    path = truth / "evaluation_verts.json"
    path.write_text(json.dumps([*json.loads(path.read_text())[:2], entry]))
    with pytest.raises(ValueError, match=r"evaluation_verts\.json: .*(no meshes|finite numbers)"):
        GroundTruthLabels(truth, num_frames=3)


def test_ground_truth_of_another_frame_is_rejected(world, hand, truth):
    rejection = GroundTruthLabels(truth, num_frames=3).label(blank(world), evaluation_meta(hand), 0)
    assert rejection.reason == OTHER_TRUTH and "7.1 mm" in rejection.where


def test_ground_truth_of_another_list_is_an_error(truth):
    with pytest.raises(ValueError, match=r"evaluation_xyz\.json: 3 entries for 4 frames"):
        GroundTruthLabels(truth, num_frames=4)


@pytest.mark.parametrize("name", ["evaluation_xyz.json", "evaluation_verts.json"])
def test_damaged_ground_truth_is_an_error(truth, name):
    (truth / name).write_text((truth / name).read_text()[:50])
    with pytest.raises(ValueError, match=rf"{name}: not a complete JSON"):
        GroundTruthLabels(truth, num_frames=3)
    (truth / name).unlink()
    with pytest.raises(ValueError, match=rf"{name}: cannot be read"):
        GroundTruthLabels(truth, num_frames=3)
