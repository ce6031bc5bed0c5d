import pytest
import torch
from mmengine.model import BaseDataPreprocessor

from handvit.datasets import HandClipDataset, hand_collate
from handvit.structures import HandBatch, HandLabels


@pytest.fixture(scope="module")
def batch(shards_root) -> HandBatch:
    dataset = HandClipDataset(shards_root, clip_length=3)
    return hand_collate([dataset[index] for index in (2, 9)])


def test_last_frame_keeps_the_last(batch):
    last = batch.labels.last_frame()
    assert isinstance(last, HandLabels)
    for name in set(HandLabels._fields) - {"sample_id", "mano"}:
        whole, kept = getattr(batch.labels, name), getattr(last, name)
        assert kept.shape == (2, 1, *whole.shape[2:]), name
        assert (kept[:, 0] == whole[:, 2]).all(), name
    for whole, kept in zip(batch.labels.mano, last.mano, strict=True):
        assert (kept[:, 0] == whole[:, 2]).all() and kept.shape[1] == 1
    assert last.sample_id == batch.labels.sample_id
    assert (batch.labels.frame_time[:, 0] != batch.labels.frame_time[:, 2]).all()


def test_last_frame_of_single_frames_changes_nothing(batch):
    last = batch.labels.last_frame()
    assert (last.last_frame().keypoints_cam == last.keypoints_cam).all()


def test_mmengine_moves_it_as_it_is(batch):
    moved = BaseDataPreprocessor().cast_data({"batch": batch})["batch"]
    assert isinstance(moved, HandBatch) and isinstance(moved.labels, HandLabels)
    assert moved.labels.sample_id == batch.labels.sample_id
    assert moved.labels.frame_time.dtype == torch.float64
    assert torch.equal(moved.image, batch.image)
