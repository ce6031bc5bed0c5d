import pytest
import torch
from torch import Tensor

from handvit.geometry.image_warp import crop_camera
from handvit.models.necks import PerspInfoCrossAttention
from handvit.models.necks.persp_info_ca import ray_features
from handvit.registry import MODELS
from handvit.structures import HandCrops, HandTokens

DIM = 16


def make_tokens(num_hands: int = 2, num_frames: int = 1) -> HandTokens:
    prefix = torch.randn(num_hands, num_frames, 1, DIM)
    return HandTokens(prefix, torch.randn(num_hands, num_frames, 6, DIM), (2, 3))


def zoomed(crops: HandCrops, scale: float) -> HandCrops:
    return crops._replace(focal_crop=crops.focal_crop * scale)


def seen_from(crops: HandCrops, scale: float, shift: Tensor) -> HandCrops:
    """The same crop out of a resized and padded image: other numbers for the same rays."""
    labels = crops.labels
    bbox = scale * (crops.crop_bbox_xyxy + 0.5) - 0.5 + shift.repeat(2)
    focal, princpt = labels.focal * scale, scale * (labels.princpt + 0.5) - 0.5 + shift
    focal_crop, princpt_crop = crop_camera(focal, princpt, bbox, crops.crop.shape[-1])
    return crops._replace(
        crop_bbox_xyxy=bbox,
        focal_crop=focal_crop,
        princpt_crop=princpt_crop,
        labels=labels._replace(focal=focal, princpt=princpt),
    )


@pytest.fixture
def neck() -> PerspInfoCrossAttention:
    return MODELS.build(dict(type="PerspInfoCrossAttention", dim=DIM, num_heads=4))


@pytest.fixture
def trained(neck) -> PerspInfoCrossAttention:
    """The neck with an output that is not zero."""
    torch.nn.init.normal_(neck.attention.to_out.weight)
    return neck


def test_untrained_block_is_the_identity(neck, make_crops):
    tokens = make_tokens(2, 3)
    seen = neck(tokens, make_crops(2, 3))
    assert torch.equal(seen.all, tokens.all)
    assert seen.grid == tokens.grid


def test_block_learns_the_focal_length_in_one_step(neck, make_crops):
    tokens, crops = make_tokens(), make_crops()
    optimizer = torch.optim.AdamW(neck.parameters(), lr=0.1)
    neck(tokens, crops).patches.square().sum().backward()
    optimizer.step()
    here, zoom = neck(tokens, crops), neck(tokens, zoomed(crops, 1.5))
    assert (here.patches - zoom.patches).abs().max() > 1e-4
    assert torch.equal(here.prefix, tokens.prefix)  # only patches look at the rays


def test_same_rays_give_the_same_tokens(trained, make_crops):
    tokens, crops = make_tokens(), make_crops()
    other = seen_from(crops, 1.7, torch.tensor([40.0, -25.0]))
    assert not torch.allclose(other.labels.focal, crops.labels.focal)
    torch.testing.assert_close(ray_features(other), ray_features(crops), rtol=0, atol=1e-5)
    seen, wanted = trained(tokens, other).patches, trained(tokens, crops).patches
    torch.testing.assert_close(seen, wanted, rtol=0, atol=1e-4)


def test_other_rays_give_other_features(make_crops):
    crops = make_crops()
    moved = crops._replace(princpt_crop=crops.princpt_crop + 20)
    for other in (moved, zoomed(crops, 1.5)):
        difference = (ray_features(other) - ray_features(crops)).abs()
        assert difference[..., :2].max() > 0.01
        assert difference[..., 2:].max() == 0


def test_rays_by_hand(make_crops):
    """A 64 px crop: cell (row 0, column 7) is centred at pixel (59.5, 3.5)."""
    crops = make_crops(1)
    focal, princpt = torch.tensor([[[56.0, 28.0]]]), torch.tensor([[[31.5, 31.5]]])
    features = ray_features(crops._replace(focal_crop=focal, princpt_crop=princpt))
    assert features.shape == (1, 1, 64, 4)
    x, y = (59.5 - 31.5) / 56, (3.5 - 31.5) / 28  # 0.5, -1
    length = (x**2 + y**2 + 1) ** 0.5
    wanted = torch.tensor([x / length, y / length, 0.875, -0.875])
    torch.testing.assert_close(features[0, 0, 7], wanted)


def test_frames_are_independent(trained, make_crops):
    tokens, crops = make_tokens(2, 3), make_crops(2, 3)
    together = trained(tokens, crops).last_frame()
    alone = trained(tokens.last_frame(), crops.last_frame())
    torch.testing.assert_close(together.patches, alone.patches)


def test_autocast_keeps_the_rays_exact(make_crops):
    crops = make_crops()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        features = ray_features(crops)
    assert torch.equal(features, ray_features(crops))


def test_every_parameter_gets_a_gradient(trained, make_crops):
    trained(make_tokens(), make_crops()).patches.square().sum().backward()
    for name, parameter in trained.named_parameters():
        assert parameter.grad.isfinite().all() and parameter.grad.any(), name


def test_heads_must_divide_the_width():
    with pytest.raises(ValueError, match="num_heads=3 does not divide the width 16"):
        PerspInfoCrossAttention(DIM, num_heads=3)
