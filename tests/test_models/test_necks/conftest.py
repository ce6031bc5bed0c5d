"""Random tokens, and crops whose camera is changed in ways that a neck must or must not notice."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from handvit.geometry.image_warp import crop_camera
from handvit.structures import HandCrops, HandTokens

DIM = 16


@pytest.fixture(scope="session")
def make_tokens() -> Callable[..., HandTokens]:
    """Return ``make(num_hands=2, num_frames=1, num_prefix=1)``: width 16, a grid of 2 x 3."""

    def make(num_hands: int = 2, num_frames: int = 1, num_prefix: int = 1) -> HandTokens:
        prefix = torch.randn(num_hands, num_frames, num_prefix, DIM)
        return HandTokens(prefix, torch.randn(num_hands, num_frames, 6, DIM), (2, 3))

    return make


@pytest.fixture(scope="session")
def zoomed() -> Callable[[HandCrops, float], HandCrops]:
    """Return ``zoomed(crops, scale)``: the same pixels through another focal length."""
    return lambda crops, scale: crops._replace(focal_crop=crops.focal_crop * scale)


@pytest.fixture(scope="session")
def seen_from() -> Callable[[HandCrops, float, Tensor], HandCrops]:
    """Return ``seen_from(crops, scale, shift)``: the crops out of resized, then padded images.

    Box and intrinsics have other numbers, in float64, and describe the same rays.
    """

    def change(crops: HandCrops, scale: float, shift: Tensor) -> HandCrops:
        labels = crops.labels
        bbox = scale * (crops.crop_bbox_xyxy.double() + 0.5) - 0.5 + shift.repeat(2)
        focal = labels.focal.double() * scale
        princpt = scale * (labels.princpt.double() + 0.5) - 0.5 + shift
        focal_crop, princpt_crop = crop_camera(focal, princpt, bbox, crops.crop.shape[-1])
        return crops._replace(
            crop_bbox_xyxy=bbox,
            focal_crop=focal_crop,
            princpt_crop=princpt_crop,
            labels=labels._replace(focal=focal, princpt=princpt),
        )

    return change
