"""What every neck that knows its camera must keep, whichever tokens it tells."""

import pytest
import torch
from torch import nn

from handvit.registry import MODELS

DIM = 16
NECKS = {
    "PerspInfoCrossAttention": dict(num_heads=4),
    "PerspInfoDenseCls": {},
    "PerspInfoDensePatch": {},
    "PerspInfoDenseAll": {},
}
WITHOUT_CLS = sorted(NECKS.keys() - {"PerspInfoDenseCls"})


def build(name: str) -> nn.Module:
    return MODELS.build(dict(type=name, dim=DIM, **NECKS[name]))


def take_one_step(neck: nn.Module, tokens, crops) -> nn.Module:
    optimizer = torch.optim.AdamW(neck.parameters(), lr=0.1)
    neck(tokens, crops).all.square().sum().backward()
    optimizer.step()
    optimizer.zero_grad()
    return neck


@pytest.fixture(params=NECKS)
def neck(request) -> nn.Module:
    return build(request.param)


@pytest.fixture(params=WITHOUT_CLS)
def neck_without_cls(request) -> nn.Module:
    return build(request.param)


@pytest.mark.parametrize("num_frames", [1, 7])
def test_untrained_neck_is_the_identity(neck, make_tokens, make_crops, num_frames):
    tokens = make_tokens(2, num_frames)
    seen = neck(tokens, make_crops(2, num_frames))
    assert torch.equal(seen.prefix, tokens.prefix) and torch.equal(seen.patches, tokens.patches)
    assert seen.grid == tokens.grid


def test_one_step_teaches_the_focal_length(neck, make_tokens, make_crops, zoomed):
    tokens, crops = make_tokens(), make_crops()
    assert torch.equal(neck(tokens, crops).all, neck(tokens, zoomed(crops, 1.5)).all)
    take_one_step(neck, tokens, crops)
    here, zoom = neck(tokens, crops).all, neck(tokens, zoomed(crops, 1.5)).all
    assert (here - zoom).abs().max() > 1e-4


@pytest.mark.parametrize(
    ("scale", "shift"), [(1.7, [0.0, 0.0]), (1.0, [40.0, -25.0]), (0.4, [-7.5, 300.0])]
)
def test_same_rays_give_the_same_tokens(neck, make_tokens, make_crops, seen_from, scale, shift):
    tokens, crops = make_tokens(), make_crops()
    take_one_step(neck, tokens, crops).double()
    tokens = tokens.with_all(tokens.all.double())
    crops = seen_from(crops, 1.0, torch.zeros(2))
    other = seen_from(crops, scale, torch.tensor(shift, dtype=torch.float64))
    wanted = neck(tokens, crops).all
    assert (wanted - tokens.all).abs().max() > 1e-2
    torch.testing.assert_close(neck(tokens, other).all, wanted, rtol=0, atol=1e-10)


def test_whole_image_is_a_crop_of_a_larger_one(neck, make_tokens, make_crops, seen_from):
    """A camera of 64 px images, and the same one inside padded images of any size."""
    tokens, crops = make_tokens(), make_crops()
    take_one_step(neck, tokens, crops).double()
    tokens = tokens.with_all(tokens.all.double())
    whole = torch.tensor([-0.5, -0.5, 63.5, 63.5]).expand(2, 1, 4)
    image = crops._replace(
        crop_bbox_xyxy=whole, focal_crop=crops.labels.focal, princpt_crop=crops.labels.princpt
    )
    padded = seen_from(image, 1.0, torch.tensor([100.0, 20.0], dtype=torch.float64))
    image = image._replace(
        focal_crop=image.focal_crop.double(), princpt_crop=image.princpt_crop.double()
    )
    wanted = neck(tokens, image).all
    torch.testing.assert_close(neck(tokens, padded).all, wanted, rtol=0, atol=1e-10)


def test_every_parameter_takes_part_and_learns(neck, make_tokens, make_crops):
    """DDP waits for a gradient of each; behind the zero output, the first ones are zeros."""
    tokens, crops = make_tokens(), make_crops()
    neck(tokens, crops).all.square().sum().backward()
    assert all(parameter.grad is not None for parameter in neck.parameters())
    take_one_step(neck, tokens, crops)
    neck(tokens, crops).all.square().sum().backward()
    for name, parameter in neck.named_parameters():
        assert parameter.grad.isfinite().all() and parameter.grad.any(), name


def test_autocast_leaves_the_ray_maths_in_float32(neck, make_tokens, make_crops):
    tokens, crops = make_tokens(), make_crops()
    take_one_step(neck, tokens, crops)
    codes = []
    part = neck.embed if hasattr(neck, "embed") else neck.code
    part.register_forward_hook(lambda module, inputs, output: codes.append(output))
    wanted = neck(tokens, crops).all
    with torch.autocast("cpu", dtype=torch.bfloat16):
        half = neck(tokens.with_all(tokens.all.bfloat16()), crops)
    assert codes[1].dtype == torch.float32 and torch.equal(codes[0], codes[1])
    assert half.prefix.dtype == half.patches.dtype == torch.bfloat16
    torch.testing.assert_close(half.all.float(), wanted, rtol=0.05, atol=0.05)


def test_frames_and_hands_are_independent(neck, make_tokens, make_crops):
    tokens, crops = make_tokens(2, 7), make_crops(2, 7)
    take_one_step(neck, tokens, crops)
    together = neck(tokens, crops)
    assert together.prefix.shape == (2, 7, 1, DIM) and together.patches.shape == (2, 7, 6, DIM)
    alone = neck(tokens.last_frame(), crops.last_frame())
    torch.testing.assert_close(together.last_frame().all, alone.all, rtol=0, atol=1e-5)
    assert not torch.allclose(together.all[0] - tokens.all[0], together.all[1] - tokens.all[1])


def test_backbone_without_cls_token(neck_without_cls, make_tokens, make_crops, zoomed):
    tokens, crops = make_tokens(2, 3, num_prefix=0), make_crops(2, 3)
    take_one_step(neck_without_cls, tokens, crops)
    seen = neck_without_cls(tokens, crops)
    assert seen.prefix.shape == (2, 3, 0, DIM) and seen.patches.shape == (2, 3, 6, DIM)
    zoom = neck_without_cls(tokens, zoomed(crops, 1.5))
    assert (seen.patches - zoom.patches).abs().max() > 1e-4
