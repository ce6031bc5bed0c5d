"""Tell tokens how their crop was seen, by cross-attention to viewing rays."""

import torch
from torch import nn

from handvit.models.layers import Attention
from handvit.models.necks.ray_features import ray_features
from handvit.registry import MODELS
from handvit.structures import HandCrops, HandTokens

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
        dtype = self.norm.weight.dtype
        # In bfloat16 rays, keys and values of neighbouring cameras would differ by less than the
        # rounding. Later layers round again, but the tokens as a whole.
        with torch.autocast(crops.crop.device.type, enabled=False):
            rays = self.embed(ray_features(crops).to(dtype))  # (B, T, 64, D)
            query = self.norm(tokens.patches.to(dtype))  # (B, T, N, D)
            seen = self.attention(query.flatten(0, 1), rays.flatten(0, 1)).view_as(query)
        return tokens._replace(patches=(tokens.patches + seen).to(tokens.patches.dtype))
