import pytest
import torch

from handvit.analysis.plain_crops import plain_crops
from handvit.datasets.token_cache.crop_columns import from_columns, to_columns
from handvit.structures import HandTokens


@pytest.fixture
def crops():
    crops = plain_crops(2, num_frames=3, crop_size=28)
    labels = crops.labels._replace(frame_time=torch.rand(2, 3, dtype=torch.float64))
    return crops._replace(focal_crop=torch.rand(2, 3, 2), labels=labels)


@pytest.fixture
def tokens() -> HandTokens:
    return HandTokens(torch.randn(2, 3, 1, 5), torch.randn(2, 3, 4, 5), (2, 2))


def round_trip(crops, tokens, dtype):
    columns = to_columns(crops, tokens, dtype)
    return from_columns(columns, dtype=dtype, num_prefix=1, grid=(2, 2), crop_size=28)


def test_what_heads_and_losses_need_comes_back(crops, tokens):
    found = round_trip(crops, tokens, torch.float32)
    expected = crops.last_frame()
    assert found.crop.shape == (2, 1, 0, 28, 28)
    for name in ("crop_bbox_xyxy", "focal_crop", "princpt_crop", "keypoints_crop", "is_mirrored"):
        assert torch.equal(getattr(found, name), getattr(expected, name)), name
    for name, value in expected.labels._asdict().items():
        stored = getattr(found.labels, name)
        if name in ("frame_time", "frame_valid"):
            assert torch.equal(stored, getattr(crops.labels, name)), name
        elif name == "mano":
            assert all(map(torch.equal, stored, value))
        else:
            assert torch.equal(stored, value) if torch.is_tensor(value) else stored == value, name
    torch.testing.assert_close(found.tokens, tokens, rtol=0, atol=0)


def test_bfloat16_rounds_tokens_and_nothing_else(crops, tokens):
    found = round_trip(crops, tokens, torch.bfloat16)
    assert torch.equal(found.tokens.all, tokens.all.bfloat16().float())
    assert torch.equal(found.focal_crop, crops.last_frame().focal_crop)
