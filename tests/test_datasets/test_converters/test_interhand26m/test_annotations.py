import json
import shutil

import numpy as np
import pytest

from handvit.datasets.conversion.view import CropView, FullFrameView
from handvit.datasets.converters.interhand26m.annotations import Annotations, annotation_path
from handvit.datasets.converters.interhand26m.converter import InterHandConverter, published_box
from handvit.structures.skeleton import BONES

TURN = [[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]]
REAL = "interhand26m"


def one_image() -> dict[str, dict]:
    """The files of a split with one image, as data.json numbers and joint_3d.json names it."""
    image = dict(id=8, file_name="Capture7/fist/cam400026/image29590.jpg", width=334, height=512)
    image |= dict(capture=7, subject=6, seq_name="fist", camera="400026", frame_idx=29590)
    annotation = dict(id=8, image_id=8, bbox=[1.0, 2.0, 3.0, 4.0], joint_valid=[[1]] * 42)
    annotation |= dict(hand_type="left", hand_type_valid=1)
    camera = dict(campos={"400026": [100.0, 200.0, 300.0]}, camrot={"400026": TURN})
    camera |= dict(focal={"400026": [1200.0, 1201.0]}, princpt={"400026": [160.0, 250.0]})
    instant = dict(world_coord=[[1.0, 2.0, 3.0]] * 42, joint_valid=[[0]] * 21 + [[1]] * 21)
    fit = dict(pose=[0.1] * 48, shape=[0.2] * 10, trans=[0.3] * 3)
    return {
        "data": {"images": [image], "annotations": [annotation]},
        "camera": {"7": camera},
        "joint_3d": {"7": {"29590": instant | dict(hand_type="left", seq="fist")}},
        "MANO_NeuralAnnot": {"7": {"29590": {"left": fit, "right": None}}},
    }


def read(root, files) -> Annotations:
    for kind, content in files.items():
        path = annotation_path(root, "test", kind)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(content))
    return Annotations.read(root, split="test", fps=5, with_mano=True)


def test_row_of_an_image(tmp_path):
    row = read(tmp_path, one_image()).images[0]
    assert (row["annotation"], row["capture"], row["frame"]) == (8, 7, 29590)
    assert (row["sequence"], row["camera"], row["hand_type"]) == (
        b"Capture7-fist",
        b"400026",
        b"left",
    )
    assert row["subject"] == b"6" and row["size"].tolist() == [334, 512]
    assert row["bbox_xywh"].tolist() == [1.0, 2.0, 3.0, 4.0] and row["joint_valid"].all()


def test_camera_centre_is_subtracted_before_the_turn(tmp_path):
    annotations = read(tmp_path, one_image())
    camera = annotations.camera(annotations.images[0])
    np.testing.assert_allclose(camera.to_cam(np.array([0.1, 0.2, 0.3])), 0, atol=1e-15)
    np.testing.assert_allclose(camera.to_cam(np.array([0.2, 0.2, 1.3])), [0, 0.1, 1.0], atol=1e-15)
    assert camera.focal.tolist() == [1200.0, 1201.0] and camera.princpt.tolist() == [160.0, 250.0]


def test_numbers_of_data_json_find_the_names_of_the_other_files(tmp_path):
    annotations = read(tmp_path, one_image())
    row = annotations.images[0]
    assert annotations.world_joints(row).joint_valid.sum() == 21
    assert annotations.mano_parameters(row, False)["pose"].shape == (48,)
    assert annotations.mano_parameters(row, True) is None


def test_numbers_may_be_written_as_strings_and_the_other_way_round(tmp_path):
    files = one_image()
    files["data"]["images"][0] |= dict(capture="7", frame_idx="29590", camera=400026, subject="6")
    annotations = read(tmp_path, files)
    row = annotations.images[0]
    assert annotations.camera(row) is not None and annotations.world_joints(row) is not None


@pytest.mark.parametrize("key", ["7", "29590"])
def test_what_is_not_listed_is_none(tmp_path, key):
    files = one_image()
    for content in (files["joint_3d"], files["MANO_NeuralAnnot"]):
        (content if key == "7" else content["7"]).pop(key)
    files["camera"].pop("7")
    annotations = read(tmp_path, files)
    row = annotations.images[0]
    assert annotations.camera(row) is None and annotations.world_joints(row) is None
    assert annotations.mano_parameters(row, False) is None


def test_bare_coordinates_of_release_0_take_the_validity_of_the_image(tmp_path):
    files = one_image()
    files["data"]["annotations"][0]["joint_valid"] = [[0]] * 40 + [[1]] * 2
    files["joint_3d"]["7"]["29590"] = [[1.0, 2.0, 3.0]] * 42
    annotations = read(tmp_path, files)
    joints = annotations.world_joints(annotations.images[0])
    assert joints.world_coord.shape == (42, 3)
    assert np.flatnonzero(joints.joint_valid).tolist() == [40, 41]


@pytest.mark.parametrize(
    "key, value, message",
    [
        ("hand_type", "both", "annotation 8: hand_type is 'both'"),
        ("joint_valid", [[1]] * 21, "reshape"),
        ("bbox", None, "not readable"),
        ("image_id", 9, "annotation 8 belongs to no image"),
    ],
)
def test_annotations_of_another_format_are_refused(tmp_path, key, value, message):
    files = one_image()
    files["data"]["annotations"][0][key] = value
    with pytest.raises(ValueError, match=rf"InterHand2.6M_test_data.json: .*{message}.*mks0601"):
        read(tmp_path, files)


@pytest.mark.parametrize("part, key", [("images", "file_name"), ("annotations", "joint_valid")])
def test_objects_without_the_key_of_their_list_are_refused(tmp_path, part, key):
    files = one_image()
    del files["data"][part][0][key]
    with pytest.raises(ValueError, match=rf"data.*json: {part}: object 0 lacks '{key}', .*'id'"):
        read(tmp_path, files)


@pytest.mark.parametrize("key", ["campos", "camrot", "focal", "princpt"])
def test_cameras_that_lack_something_are_refused(tmp_path, key):
    files = one_image()
    del files["camera"]["7"][key]
    with pytest.raises(ValueError, match=r"InterHand2.6M_test_camera.json: not readable .*mks0601"):
        read(tmp_path, files)


@pytest.fixture
def real_source(shared_data, tmp_path):
    """The two published frames, in the folders of the data set; their names lost their own."""
    source = shared_data / REAL
    shutil.copytree(source / "annotations", tmp_path / "annotations" / "test")
    shutil.copytree(source / "images", tmp_path / "images" / "test")
    return tmp_path


@pytest.mark.parametrize("view", [FullFrameView(), CropView(256, 1.5)], ids=["full", "crop"])
def test_real_hands_lie_where_their_joints_are(real_source, collect, view):
    samples, rejections = collect(InterHandConverter(real_source, split="test", view=view))
    assert not rejections
    assert sorted(samples) == [
        "interhand26m/test-Capture3-0390_dh_touchROM/cam400026/069148/left",
        "interhand26m/test-Capture3-0390_dh_touchROM/cam400026/069148/right",
        "interhand26m/test-Capture7-0115_rocker_backside/cam410053/029590/left",
    ]
    for sample in samples.values():
        assert sample.keypoints_img_valid.all() and sample.keypoints_cam_valid.all()
        low, high = sample.bbox_xyxy[:2] - 1e-6, sample.bbox_xyxy[2:] + 1e-6
        assert ((sample.keypoints_img >= low) & (sample.keypoints_img <= high)).all()
        edges = np.array(sample.image_size) - 0.5
        assert ((sample.keypoints_img > -0.5) & (sample.keypoints_img < edges)).all()
        assert 0.9 < sample.keypoints_cam[0, 2] < 1.2
        ends = sample.keypoints_cam[np.array(BONES)]  # (20, 2, 3)
        length = np.linalg.norm(ends[:, 1] - ends[:, 0], axis=-1).reshape(5, 4)
        assert ((length[1:, 0] > 0.07) & (length[1:, 0] < 0.11)).all()  # wrist to knuckles
        assert (length[1:, 1] > length[1:, 2]).all()  # the first bone is the longest


def test_real_boxes_are_those_of_the_file(real_source, collect):
    converter = InterHandConverter(real_source, split="test", view=FullFrameView())
    samples, _ = collect(converter)
    images = Annotations.read(real_source, split="test", fps=5, with_mano=False).images
    for row in images:
        pixels = [
            sample.keypoints_img
            for key, sample in samples.items()
            if f"/{row['frame']:06d}/" in key
        ]
        np.testing.assert_allclose(
            published_box(np.concatenate(pixels)), row["bbox_xywh"], atol=0.01
        )
