import cv2
import numpy as np
import pytest

from handvit.engine.hooks import PictureHook
from handvit.structures import HandPrediction


@pytest.fixture
def batch_and_outputs(make_batch):
    batch = make_batch(2, 3)
    labels = batch.labels.last_frame()
    keypoints_cam = labels.keypoints_cam[:, 0]
    outputs = [HandPrediction(None, keypoints, None, None, None) for keypoints in keypoints_cam]
    return batch, outputs


def test_every_nth_batch_is_drawn(tmp_path, batch_and_outputs):
    hook = PictureHook(out_dir=str(tmp_path / "pictures"), interval=2)
    hook.after_test_iter(None, 1, *batch_and_outputs)
    assert not (tmp_path / "pictures").exists()
    hook.after_test_iter(None, 2, *batch_and_outputs)
    (path,) = (tmp_path / "pictures").iterdir()
    assert path.name == "open_hand0_cam0_00002_right.jpg"
    picture = cv2.imread(str(path))
    annotation, prediction = picture[20:, :320], picture[20:, 320:640]
    assert np.abs(annotation.astype(int) - prediction).mean() < 3  # the same hand, other captions
    assert annotation.std() > 10


def test_hands_without_full_annotation_are_left_out(tmp_path, batch_and_outputs):
    batch, outputs = batch_and_outputs
    batch.labels.keypoints_cam_valid[0, -1, 3] = False
    PictureHook(out_dir=str(tmp_path / "pictures")).after_test_iter(None, 0, batch, outputs)
    assert not (tmp_path / "pictures").exists()
