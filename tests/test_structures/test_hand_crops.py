import torch

from handvit.analysis.plain_crops import plain_crops
from handvit.datasets import HandClipDataset, hand_collate
from handvit.structures import HandCrops, HandTokens


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
    for name in set(HandCrops._fields) - {"labels", "tokens"}:
        whole, kept = getattr(crops, name), getattr(last, name)
        assert kept.shape == (2, 1, *whole.shape[2:]), name
        assert (kept[:, 0] == whole[:, 2]).all(), name
    assert (last.labels.frame_time[:, 0] == crops.labels.frame_time[:, 2]).all()
    assert crops._replace(tokens="of all frames").last_frame().tokens is None


def test_short_tokens_become_float32():
    crops = plain_crops(2, num_frames=3, crop_size=8)
    assert crops.with_float_tokens() is crops
    short = HandTokens(torch.rand(2, 3, 1, 5).bfloat16(), torch.rand(2, 3, 4, 5).half(), (2, 2))
    found = crops._replace(tokens=short).with_float_tokens().tokens
    assert found.prefix.dtype == found.patches.dtype == torch.float32
    assert torch.equal(found.prefix.bfloat16(), short.prefix) and found.grid == (2, 2)
