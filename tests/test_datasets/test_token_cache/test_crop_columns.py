import pytest
import torch

from handvit.analysis.plain_crops import plain_crops
from handvit.datasets.token_cache.crop_columns import from_columns, to_columns
from handvit.structures import HandTokens

IDS = [f"plain/sequence/camera/{frame}/right" for frame in range(3)]


@pytest.fixture
def crops():
    crops = plain_crops(1, num_frames=3, crop_size=28)
    labels = crops.labels._replace(keypoints_cam=torch.rand(1, 3, 21, 3), sample_id=[IDS[-1]])
    return crops._replace(focal_crop=torch.rand(1, 3, 2), labels=labels)


@pytest.fixture
def tokens() -> HandTokens:
    return HandTokens(torch.randn(1, 3, 1, 5), torch.randn(1, 3, 4, 5), (2, 2))


def test_what_heads_and_losses_need_comes_back(crops, tokens):
    columns = to_columns(crops, tokens, IDS, torch.float32)
    assert all(len(column) == 3 for column in columns.values())
    assert columns.pop("tokens").shape == (3, 5, 5)
    last = {name: column[2:] for name, column in columns.items()}
    time, valid = torch.rand(1, 3).double(), torch.tensor([[False, True, True]])
    found = from_columns(last, tokens, time, valid, crop_size=28)
    expected = crops.last_frame()
    assert found.crop.shape == (1, 1, 0, 28, 28)
    assert found.tokens is tokens
    assert found.labels.frame_time is time and found.labels.frame_valid is valid
    for name in ("crop_bbox_xyxy", "focal_crop", "princpt_crop", "keypoints_crop", "is_mirrored"):
        assert torch.equal(getattr(found, name), getattr(expected, name)), name
    for name, value in expected.labels._asdict().items():
        stored = getattr(found.labels, name)
        if name == "mano":
            assert all(map(torch.equal, stored, value))
        elif name == "sample_id":
            assert stored == value
        elif name not in ("frame_time", "frame_valid"):
            assert torch.equal(stored, value) and stored.dtype == value.dtype, name


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_a_dtype_rounds_tokens_and_nothing_else(crops, tokens, dtype):
    columns = to_columns(crops, tokens, IDS, dtype)
    stored = torch.from_numpy(columns["tokens"]).view(dtype)
    assert torch.equal(stored, tokens.all[0].to(dtype))
    assert torch.equal(torch.from_numpy(columns["focal_crop"]), crops.focal_crop[0])
