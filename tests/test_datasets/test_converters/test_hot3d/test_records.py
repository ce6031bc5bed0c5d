import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from handvit.datasets.converters.hot3d.records import (
    SIDEWAYS,
    Rigid,
    numbers,
    read_camera,
    read_hands,
    read_time,
)

HALF = 0.5**0.5
POSE = {"quaternion_wxyz": [HALF, 0, 0, HALF], "translation_xyz": [1, 2, 3]}


def cameras(**changes):
    calibration = {
        "label": "camera-rgb",
        "image_width": 1408,
        "image_height": 1400,
        "projection_model_type": "CameraModelType.FISHEYE624",
        "projection_params": list(range(15)),
        **changes,
    }
    return {"214-1": {"calibration": calibration, "T_world_from_camera": POSE}}


def hand(**changes):
    return {
        "mano_pose": {"thetas": list(range(15)), "wrist_xform": list(range(6))},
        "umetrack_pose": {"joint_angles": [0.1] * 22, "T_world_from_wrist": POSE},
        "boxes_amodal": {"214-1": [1, 2, 30, 40]},
        "visibilities_modeled": {"214-1": 0.5, "1201-1": 0.0},
        **changes,
    }


def test_quaternions_have_their_real_part_first():
    """A quarter turn around z moves x to y."""
    pose = Rigid.of_record(POSE)
    np.testing.assert_allclose(pose.apply(np.array([[1.0, 0, 0]])), [[1, 3, 3]], atol=1e-12)
    with pytest.raises(ValueError, match=r"quaternion_wxyz: \[2.0, 0.0, 0.0, 0.0\] has not the le"):
        Rigid.of_record({**POSE, "quaternion_wxyz": [2, 0, 0, 0]})


def test_motions_are_undone_and_put_together():
    rng = np.random.default_rng(0)
    first, second = (
        Rigid(Rotation.random(random_state=seed).as_matrix(), rng.normal(size=3)) for seed in (1, 2)
    )
    points = rng.normal(size=(4, 3))
    np.testing.assert_allclose(first.inverse().apply(first.apply(points)), points)
    np.testing.assert_allclose(second.after(first).apply(points), second.apply(first.apply(points)))


@pytest.mark.parametrize("count", [15, 16])
def test_cameras(count):
    params = list(range(count))
    record = read_camera(cameras(projection_params=params), "214-1")
    assert record.camera.size == (1408, 1400) and record.camera.params.tolist() == params
    # T_world_from_camera puts the camera at (1, 2, 3).
    place = record.camera_from_world.apply(np.array([1.0, 2, 3]))
    np.testing.assert_allclose(place, 0, atol=1e-12)
    np.testing.assert_allclose(record.camera_from_world.rotation @ [0, 1, 0], [1, 0, 0], atol=1e-12)


def test_pictures_turn_clockwise():
    """What is up in an image as stored is on its right when it is upright."""
    np.testing.assert_array_equal(SIDEWAYS @ [0, -1, 0], [1, 0, 0])
    np.testing.assert_array_equal(SIDEWAYS @ [1, 0, 0], [0, 1, 0])
    assert np.linalg.det(SIDEWAYS) == 1


def test_hands():
    hands = read_hands({"left": None, "right": hand(), "palm": 3}, "214-1")
    assert list(hands) == ["right"] and read_hands({}, "214-1") == {}
    right = hands["right"]
    assert right.mano.global_orient.tolist() == [0, 1, 2]
    assert right.mano.transl.tolist() == [3, 4, 5] and len(right.mano.thetas) == 15
    assert len(right.umetrack.joint_angles) == 22
    assert right.umetrack.world_from_wrist.translation.tolist() == [1, 2, 3]
    assert right.box_xyxy.tolist() == [1, 2, 30, 40] and right.visibility == 0.5


def test_hands_that_one_camera_does_not_have():
    for stream in ("1201-1", "1201-2"):  # without a box, without both
        record = read_hands({"left": hand()}, stream)["left"]
        assert record.box_xyxy is None and record.visibility == 0
    record = read_hands({"left": hand(boxes_amodal={"214-1": None})}, "214-1")["left"]
    assert record.box_xyxy is None


@pytest.mark.parametrize("missing", ["absent", "null"])
def test_mano_may_be_missing_where_umetrack_is_not(missing):
    record = hand(mano_pose=None)
    if missing == "absent":
        del record["mano_pose"]
    right = read_hands({"right": record}, "214-1")["right"]
    assert right.mano is None and right.umetrack is not None
    record["umetrack_pose"] = None
    assert read_hands({"right": record}, "214-1")["right"].umetrack is None


def test_time():
    assert read_time({"ref_timestamp_ns": 54_971_174_871_117}) == pytest.approx(54971.174871117)
    with pytest.raises(ValueError, match="ref_timestamp_ns: missing"):
        read_time({})


@pytest.mark.parametrize(
    "changes, problem",
    [
        (dict(projection_model_type="CameraModelType.PINHOLE"), "projection_model_type: 'CameraM"),
        (dict(projection_params=[1.0] * 14), "projection_params: 14 numbers, want one of"),
        (dict(projection_params=None), "projection_params: not"),
        (dict(image_width="wide"), "image_width: not an array of numbers"),
    ],
)
def test_cameras_that_are_not_understood(changes, problem):
    with pytest.raises(ValueError, match=problem):
        read_camera(cameras(**changes), "214-1")


@pytest.mark.parametrize(
    "changes, problem",
    [
        (dict(mano_pose={"thetas": [0] * 15}), "wrist_xform: missing"),
        (dict(mano_pose={"thetas": [0] * 6, "wrist_xform": [0] * 6}), r"thetas: .*\(6,\), want"),
        (dict(mano_pose={"thetas": ["a"] * 15, "wrist_xform": [0] * 6}), "thetas: not an array"),
        (dict(umetrack_pose={"joint_angles": [0] * 9}), "joint_angles: 9 numbers"),
        (dict(umetrack_pose={"joint_angles": [0] * 20}), "T_world_from_wrist: missing"),
        (dict(boxes_amodal={"214-1": [1, 2, 3]}), r"214-1: .*\(3,\), want \(4,\)"),
        (dict(boxes_amodal=None), "boxes_amodal: missing"),
        (dict(visibilities_modeled={"214-1": float("nan")}), "214-1: not finite"),
    ],
)
def test_hands_that_are_not_understood(changes, problem):
    with pytest.raises(ValueError, match=problem):
        read_hands({"left": hand(**changes)}, "214-1")


def test_records_of_another_kind():
    for record in ([], None, {"214-1": 3}):
        with pytest.raises(ValueError, match=r"214-1: missing, or not a JSON object"):
            read_camera(record, "214-1")
    with pytest.raises(ValueError, match="not a JSON object"):
        read_hands([], "214-1")
    with pytest.raises(ValueError, match="key: missing"):
        numbers([], "key", ())
    with pytest.raises(ValueError, match="key: not an array of numbers"):
        numbers({"key": [[1, 2], [3]]}, "key", (None, None))
