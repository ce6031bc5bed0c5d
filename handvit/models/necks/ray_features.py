"""Describe where a crop was seen from, by a grid of viewing rays over it."""

import torch
from torch import Tensor

from handvit.geometry.camera import unit_rays
from handvit.structures import HandCrops

_RAYS_PER_SIDE = 8
NUM_RAYS = _RAYS_PER_SIDE**2


def ray_features(crops: HandCrops) -> Tensor:
    """Return ``[ray_x, ray_y, u, v]`` of an 8x8 grid over each crop, (B, T, 64, 4).

    The ray is ``(x, y, 1)/|.|`` without its third component; u and v run over [-1, 1].
    """
    size = crops.crop.shape[-1]
    center = (torch.arange(_RAYS_PER_SIDE, device=crops.crop.device) + 0.5) / _RAYS_PER_SIDE
    v, u = torch.meshgrid(center, center, indexing="ij")
    uv = torch.stack([u, v], -1).flatten(0, 1)  # (64, 2) in [0, 1]
    uv = uv.expand(*crops.focal_crop.shape[:-1], -1, -1)
    rays = unit_rays(uv * size - 0.5, crops.focal_crop, crops.princpt_crop)
    return torch.cat([rays[..., :2], uv * 2 - 1], -1)
