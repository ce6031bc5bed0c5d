import json

import numpy as np
import pytest

from handvit.structures import HandSample


def test_record_is_json_and_comes_back_exactly(make_sample):
    sample = make_sample(track=1, frame=2)
    record = sample.to_record()
    assert "image" not in record
    restored = HandSample.from_record(json.loads(json.dumps(record)), sample.image)
    assert restored.to_record() == record
    assert restored.image == sample.image and restored.image_size == sample.image_size
    assert restored.keypoints_cam.dtype == np.float64
    assert restored.keypoints_cam_valid.dtype == bool


def test_what_is_not_annotated_is_zero_and_invalid():
    sample = HandSample(
        sample_id="a/b/c/0/left",
        image=b"",
        image_size=(4, 4),
        is_right=False,
        bbox_xyxy=np.array([0.0, 0.0, 1.0, 1.0]),
        focal=np.ones(2),
        princpt=np.ones(2),
        camera_valid=False,
    ).validate()
    assert not sample.mano_valid
    assert not sample.keypoints_cam_valid.any() and not sample.keypoints_img_valid.any()
    assert not sample.hand_pose.any() and sample.hand_pose.shape == (45,)
    other = HandSample(**{**vars(sample), "betas": np.ones(10)})
    assert other.betas is not sample.betas


def test_track_is_the_sample_id_without_its_frame(make_sample):
    samples = [make_sample(track=1, frame=frame) for frame in (0, 1)]
    assert {sample.track for sample in samples} == {"tiny/sequence0/cam0/left"}
    assert make_sample(track=0).track != samples[0].track


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("sample_id", "a/b/c/0", "is not <dataset>"),
        ("sample_id", "a/b//0/right", "is not <dataset>"),
        ("sample_id", "a/b/c/0/left", "another side"),
        ("betas", np.zeros(9), r"shape \(9,\), want \(10,\)"),
        ("focal", np.array([1.0, np.inf]), "NaN or infinity"),
        ("focal", np.array([1.0, 0.0]), "must be positive"),
        ("keypoints_img", np.full((21, 2), np.nan), "NaN or infinity"),
        ("frame_time", float("nan"), "not finite"),
        ("mano_residual", float("nan"), "no distance in metres"),
        ("mano_residual", -0.001, "no distance in metres"),
        ("bbox_xyxy", np.array([5.0, 0.0, 5.0, 9.0]), "is empty"),
        ("bbox_xyxy", np.array([5.0, 9.0, 7.0, 8.0]), "is empty"),
        ("keypoints_cam", np.zeros((21, 3)), "keypoint 0 lies behind"),
    ],
)
def test_each_kind_of_bad_input_is_refused_by_name(make_sample, field, value, message):
    sample = make_sample()
    setattr(sample, field, value)
    with pytest.raises(ValueError, match=rf"^{field}: .*{message}"):
        sample.validate()


def test_only_valid_keypoints_must_lie_in_front(make_sample):
    sample = make_sample()
    sample.keypoints_cam[7] = 0
    sample.keypoints_cam_valid[7] = False
    assert sample.validate() is sample


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda record: record.pop("focal"), r"missing fields \['focal'\]"),
        (lambda record: record.update(colour=1), r"unknown fields \['colour'\]"),
        (lambda record: record.update(betas=[1, [2]]), "betas: not an array"),
        (lambda record: record.update(betas=["x"] * 10), "betas: not an array"),
        (lambda record: record.update(betas=[1.0]), r"betas: shape \(1,\)"),
    ],
)
def test_bad_records_are_refused(make_sample, change, message):
    record = make_sample().to_record()
    change(record)
    with pytest.raises(ValueError, match=message):
        HandSample.from_record(record, b"")
