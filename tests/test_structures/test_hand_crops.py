import torch

from handvit.datasets import HandClipDataset, hand_collate
from handvit.structures import HandCrops


def test_last_frame_keeps_the_last(shards_root):
    dataset = HandClipDataset(shards_root, clip_length=3)
    crops = HandCrops(
        crop=torch.rand(2, 3, 3, 8, 8),
        crop_bbox_xyxy=torch.rand(2, 3, 4),
        focal_crop=torch.rand(2, 3, 2),
        princpt_crop=torch.rand(2, 3, 2),
        keypoints_crop=torch.rand(2, 3, 21, 2),
        is_mirrored=torch.tensor([[False, False, True], [True, True, False]]),
        labels=hand_collate([dataset[index] for index in (2, 9)]).labels,
    )
    last = crops.last_frame()
    for name in set(HandCrops._fields) - {"labels"}:
        whole, kept = getattr(crops, name), getattr(last, name)
        assert kept.shape == (2, 1, *whole.shape[2:]), name
        assert (kept[:, 0] == whole[:, 2]).all(), name
    assert (last.labels.frame_time[:, 0] == crops.labels.frame_time[:, 2]).all()
