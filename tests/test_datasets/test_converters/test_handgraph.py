import numpy as np
import pytest
from scipy.io import loadmat, savemat

from handvit.datasets.conversion.view import BAD_IMAGE, NO_IMAGE, FullFrameView
from handvit.datasets.converters.handgraph import (
    NUM_FRAMES,
    SPLITS,
    HandGraphConverter,
    crop_camera,
)
from handvit.structures.skeleton import BONES


@pytest.fixture
def source(tmp_path, make_sample):
    """Raw files in their published layout, with integer boxes and centimetres."""
    rng = np.random.default_rng(0)
    place = np.array([0.0, 10.0, 40.0])
    pose_gt = (place + rng.uniform(-8, 8, (NUM_FRAMES, 21, 3))).astype(np.float32)
    cam_param = np.tile([900.0, 901.0, 640.0, 360.0], (NUM_FRAMES, 1))
    bbox = np.tile(np.array([[400, 200, 480, 400]], np.int32), (NUM_FRAMES, 1))
    savemat(tmp_path / "pose_gt.mat", {"pose_gt": pose_gt})
    savemat(tmp_path / "params.mat", {"cam_param": cam_param, "bbox": bbox})
    (tmp_path / "images").mkdir()
    image = make_sample().image  # 96 x 80 px: both scales are 0.2
    for frame in range(NUM_FRAMES):
        (tmp_path / "images" / f"{frame:05d}.jpg").write_bytes(image + bytes([frame % 256]))
    return tmp_path


def _converter(source, split):
    return HandGraphConverter(source, split=split, view=FullFrameView())


def test_splits_are_the_two_stretches(source, collect):
    ids = {split: list(collect(_converter(source, split))[0]) for split in SPLITS}
    assert [len(ids["train"]), len(ids["test"])] == [350, 87]
    assert ids["train"][0] == "handgraph/realworld/cam0/00000/left"
    assert ids["test"][0] == "handgraph/realworld/cam0/00350/left"
    assert ids["test"][-1] == "handgraph/realworld/cam0/00436/left"


def test_labels_of_a_frame(source, collect):
    sample = collect(_converter(source, "test"))[0]["handgraph/realworld/cam0/00353/left"]
    assert sample.image == (source / "images" / "00353.jpg").read_bytes()
    assert sample.image_size == (96, 80) and not sample.is_right
    assert sample.camera_valid and not sample.mano_valid
    assert sample.frame_time == 353 / 30
    assert sample.keypoints_cam_valid.all() and sample.keypoints_img_valid.all()
    raw_cm = loadmat(source / "pose_gt.mat")["pose_gt"][353].astype(np.float64)
    np.testing.assert_allclose(sample.keypoints_cam * 100, raw_cm)
    # Full frame first, then the crop and its resize with pixel centres at integers.
    full = raw_cm[:, :2] / raw_cm[:, 2:] * [900.0, 901.0] + [640.0, 360.0]
    crop = 0.2 * (full - [400, 200] + 0.5) - 0.5
    np.testing.assert_allclose(sample.keypoints_img, crop)
    np.testing.assert_allclose(sample.bbox_xyxy, [*crop.min(0), *crop.max(0)])


def test_crop_camera_by_hand():
    focal, princpt = crop_camera(
        np.array([100.0, 200.0, 50.0, 60.0]), np.array([10.0, 20.0, 100.0, 50.0]), (50, 50)
    )
    assert focal.tolist() == [50.0, 200.0]
    assert princpt.tolist() == [0.5 * 40.5 - 0.5, 40.0]


@pytest.mark.parametrize("name", ["params.mat", "pose_gt.mat"])
def test_missing_and_broken_labels_are_named_with_their_origin(source, name):
    (source / name).write_bytes(b"broken")
    with pytest.raises(ValueError, match=rf"{name}: .*3d-hand-shape/hand-graph-cnn"):
        _converter(source, "train")
    (source / name).unlink()
    with pytest.raises(ValueError, match=rf"{name}: not found; .*3d-hand-shape/hand-graph-cnn"):
        _converter(source, "train")


def test_missing_and_broken_images_are_counted_by_name(source, collect):
    (source / "images" / "00002.jpg").write_bytes(b"broken")
    (source / "images" / "00005.jpg").unlink()
    samples, (broken, missing) = collect(_converter(source, "train"))
    assert len(samples) == 348
    assert broken.reason == BAD_IMAGE and "images/00002.jpg" in broken.where
    assert missing.reason == NO_IMAGE and "images/00005.jpg" in missing.where
    assert "3d-hand-shape/hand-graph-cnn" in missing.where


def test_arrays_of_another_release_are_refused(source):
    savemat(source / "pose_gt.mat", {"pose_gt": np.zeros((400, 21, 3), np.float32)})
    with pytest.raises(ValueError, match=r"pose_gt has shape \(400, 21, 3\)"):
        _converter(source, "train")


def test_info_states_what_was_assumed(source):
    info = _converter(source, "train").info
    assert (info.split, info.hand_model, info.fingertips) == ("train", None, None)
    assert "nominal 30 Hz" in info.source and "frames 0-349" in info.source
    assert "frames 350-436" in _converter(source, "test").info.source


def test_real_data(shared_data, collect):
    source = shared_data / "handgraph_realworld"
    samples = [s for split in SPLITS for s in collect(_converter(source, split))[0].values()]
    assert len(samples) == NUM_FRAMES
    lengths = []
    for sample in samples:
        sample.validate()
        inside = (sample.keypoints_img > -0.5) & (
            sample.keypoints_img < np.array(sample.image_size) - 0.5
        )
        assert inside.all(), sample.sample_id
        ends = sample.keypoints_cam[np.array(BONES)]  # (20, 2, 3)
        lengths.append(np.linalg.norm(ends[:, 1] - ends[:, 0], axis=-1))
    mean_mm = np.mean(lengths, axis=0).reshape(5, 4) * 1000
    assert ((mean_mm[1:, 0] > 65) & (mean_mm[1:, 0] < 95)).all()  # wrist to knuckles
    assert ((mean_mm[1:, 1:] > 15) & (mean_mm[1:, 1:] < 55)).all()  # finger bones
    assert (np.diff(mean_mm[1:, 1:3]) < 0).all()  # the first bone is the longest
    assert 0.25 < samples[0].keypoints_cam[0, 2] < 0.6
