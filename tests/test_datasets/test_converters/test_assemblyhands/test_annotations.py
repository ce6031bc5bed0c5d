import json

import numpy as np
import pytest

from handvit.datasets.converters.assemblyhands.annotations import Annotations

SEQUENCE = "nusar-2021_action_both_9081-c11b_9081_user_id_2021-02-12_161433"
POSE = [[0.0, -1.0, 0.0, 100.0], [1.0, 0.0, 0.0, 200.0], [0.0, 0.0, 1.0, 300.0]]
MATRIX = [[133.0, 0.0, 321.0], [0.0, 134.0, 238.0], [0.0, 0.0, 1.0]]
CAMERA = "HMC_21110305_mono10bit"


def one_image() -> dict[str, dict]:
    image = dict(id=0, file_name="a.jpg", width=640, height=480, seq_name=SEQUENCE)
    image |= dict(camera="HMC_21110305", frame_idx=11070, timestamp=184.5)
    boxes = {"right": None, "left": [1.0, 2.0, 3.0, 4.0]}
    annotation = dict(id=5, image_id=0, bbox=boxes, joint_valid=[0] * 21 + [1] * 21)
    calibration = {"intrinsics": {CAMERA: MATRIX}, "extrinsics": {"011070": {CAMERA: POSE}}}
    instant = {"world_coord": [[1.0, 2.0, 3.0]] * 42, "joint_valid": [1] * 42}
    return {
        "ego_data": {"images": [image], "annotations": [annotation]},
        "ego_calib": {"calibration": {SEQUENCE: calibration}},
        "joint_3d": {"annotations": {SEQUENCE: {"011070": instant}}},
    }


def read(root, files) -> Annotations:
    folder = root / "annotations" / "train"
    folder.mkdir(parents=True, exist_ok=True)
    for kind, content in files.items():
        (folder / f"assemblyhands_train_{kind}_v1-1.json").write_text(json.dumps(content))
    return Annotations.read(root, "train")


def test_row_of_an_image(tmp_path):
    row = read(tmp_path, one_image()).images[0]
    assert (row["annotation"], row["frame"], row["camera"]) == (5, 11070, b"HMC_21110305")
    assert row["sequence"] == SEQUENCE.encode() and row["size"].tolist() == [640, 480]
    assert row["has_hand"].tolist() == [False, True] and row["joint_valid"].sum() == 21


def test_last_column_of_the_pose_is_the_translation(tmp_path):
    annotations = read(tmp_path, one_image())
    camera = annotations.camera(annotations.images[0])
    np.testing.assert_allclose(camera.to_cam(np.zeros(3)), [0.1, 0.2, 0.3])
    np.testing.assert_allclose(camera.to_cam(np.array([1.0, 0.0, 0.0])), [0.1, 1.2, 0.3])
    assert camera.focal.tolist() == [133.0, 134.0] and camera.princpt.tolist() == [321.0, 238.0]


def test_camera_may_be_named_as_in_the_calibration(tmp_path):
    files = one_image()
    files["ego_data"]["images"][0]["camera"] = CAMERA
    annotations = read(tmp_path, files)
    assert annotations.camera(annotations.images[0]) is not None


def test_frames_are_named_with_six_digits(tmp_path):
    annotations = read(tmp_path, one_image())
    assert annotations.world_joints(annotations.images[0]).joint_valid.all()
    files = one_image()
    files["ego_data"]["images"][0]["frame_idx"] = 11072
    annotations = read(tmp_path, files)
    assert annotations.world_joints(annotations.images[0]) is None
    assert annotations.camera(annotations.images[0]) is None


@pytest.mark.parametrize(
    "kind, content, message",
    [
        ("ego_data", {"images": []}, "images: want a list of objects"),
        ("ego_calib", {SEQUENCE: {}}, "'calibration' is missing"),
        ("ego_calib", {"calibration": {CAMERA: [[1.0] * 4] * 4}}, "reshape"),
        ("joint_3d", {SEQUENCE: {}}, "'annotations' is missing"),
        ("joint_3d", {"annotations": {"world_coord": [[0.0] * 3] * 21}}, "reshape"),
    ],
)
def test_files_of_another_format_are_refused(tmp_path, kind, content, message):
    with pytest.raises(ValueError, match=rf"train_{kind}_v1-1.json: .*{message}.*assemblyhands"):
        read(tmp_path, one_image() | {kind: content})


@pytest.mark.parametrize("part, key", [("images", "file_name"), ("annotations", "joint_valid")])
def test_objects_without_the_key_of_their_list_are_refused(tmp_path, part, key):
    files = one_image()
    del files["ego_data"][part][0][key]
    with pytest.raises(
        ValueError, match=rf"ego_data.*json: {part}: object 0 lacks '{key}', .*'id'"
    ):
        read(tmp_path, files)


def test_box_that_is_not_a_choice_of_hands_is_refused(tmp_path):
    files = one_image()
    files["ego_data"]["annotations"][0]["bbox"] = [1.0, 2.0, 3.0, 4.0]
    with pytest.raises(ValueError, match=r"ego_data_v1-1.json: not readable"):
        read(tmp_path, files)
