import numpy as np

from handvit.evaluation.ground_truth import GroundTruth
from handvit.structures import HandSample


def make_record(frame: int) -> dict:
    return HandSample(
        sample_id=f"d/s/c/{frame}/right",
        image=b"x",
        image_size=(8, 8),
        is_right=True,
        bbox_xyxy=np.array([0.0, 0, 4, 4]),
        focal=np.array([5.0, 6]),
        princpt=np.array([4.0, 4]),
        camera_valid=frame % 2 == 0,
        frame_time=frame / 30,
        keypoints_cam=np.full((21, 3), frame + 1.0),
        keypoints_cam_valid=np.ones(21, dtype=bool),
    ).to_record()


def test_records_become_columns():
    truth = GroundTruth.from_records(make_record(frame) for frame in range(3))
    assert len(truth) == 3
    assert truth.sample_id.tolist() == ["d/s/c/0/right", "d/s/c/1/right", "d/s/c/2/right"]
    assert truth.camera_valid.tolist() == [True, False, True]
    assert truth.keypoints_cam.shape == (3, 21, 3) and truth.keypoints_cam.dtype == np.float64
    assert truth.keypoints_cam_valid.dtype == bool
    assert truth.frame_time[2] == 2 / 30


def test_select_reorders_every_column(truth):
    chosen = truth.select(np.array([4, 0]))
    assert chosen.sample_id.tolist() == [truth.sample_id[4], truth.sample_id[0]]
    assert (chosen.keypoints_cam[0] == truth.keypoints_cam[4]).all()
    assert len(truth.select(~truth.is_right)) == 7
