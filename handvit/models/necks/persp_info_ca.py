"""Tell tokens how their crop was seen, by cross-attention to viewing rays."""

import torch
from torch import Tensor, nn

from handvit.geometry.camera import unit_rays
from handvit.models.layers import Attention
from handvit.registry import MODELS
from handvit.structures import HandCrops, HandTokens

_RAYS_PER_SIDE = 8
_RAY_FEATURES = 4  # ray_x, ray_y, u, v


@MODELS.register_module()
class PerspInfoCrossAttention(nn.Module):
    """Let patch tokens attend to an 8x8 grid of rays over the crop.

    A crop alone does not tell from where the hand is seen; the rays do, because they come from
    the real intrinsics. The output starts at zero, so the untrained block is the identity.
    """

    def __init__(self, dim: int, *, num_heads: int = 8) -> None:
        """Set up one block.

        Args:
            dim: token width, given by the estimator.
            num_heads: must divide ``dim``.
        """
        super().__init__()
        self.norm = nn.LayerNorm(dim)
        self.embed = nn.Sequential(nn.Linear(_RAY_FEATURES, dim), nn.GELU(), nn.Linear(dim, dim))
        self.attention = Attention(dim, num_heads=num_heads, context_dim=dim)
        nn.init.zeros_(self.attention.to_out.weight)
        nn.init.zeros_(self.attention.to_out.bias)

    def forward(self, tokens: HandTokens, crops: HandCrops) -> HandTokens:
        """Return tokens (B, T, P + N, D) that know their camera."""
        rays = self.embed(ray_features(crops).to(tokens.patches.dtype))  # (B, T, 64, D)
        query = self.norm(tokens.patches)  # (B, T, N, D)
        seen = self.attention(query.flatten(0, 1), rays.flatten(0, 1)).view_as(query)
        return tokens._replace(patches=tokens.patches + seen)


def ray_features(crops: HandCrops) -> Tensor:
    """Return ``[ray_x, ray_y, u, v]`` of an 8x8 grid over each crop, (B, T, 64, 4).

    The ray is ``(x, y, 1)/|.|`` without its third component; u and v run over [-1, 1].
    """
    size = crops.crop.shape[-1]
    center = (torch.arange(_RAYS_PER_SIDE, device=crops.crop.device) + 0.5) / _RAYS_PER_SIDE
    v, u = torch.meshgrid(center, center, indexing="ij")
    uv = torch.stack([u, v], -1).flatten(0, 1)  # (64, 2) in [0, 1]
    uv = uv.expand(*crops.focal_crop.shape[:-1], -1, -1)
    with torch.autocast(uv.device.type, enabled=False):
        rays = unit_rays(uv * size - 0.5, crops.focal_crop, crops.princpt_crop)
    return torch.cat([rays[..., :2], uv * 2 - 1], -1)
