"""Gather tokens in one the way HaMeR does, to compare with it."""

import torch
from torch import Tensor, nn

from handvit.models.heads.hand_decoder import gather
from handvit.models.layers import Attention, Mlp
from handvit.registry import MODELS
from handvit.structures import HandTokens


@MODELS.register_module()
class HamerDecoder(nn.Module):
    """Decode tokens by the transformer decoder of HaMeR (Pavlakos et al. 2024, sec. 3.2).

    As published: one query, six pre-norm blocks of self-attention, cross-attention and MLP, eight
    heads of 64 channels in a width of 1024, no dropout, no norm after the last block. Linear heads
    read the result as offsets from fixed mean parameters: with ``HandHead``, choose
    ``Rotation6DPoseHead`` and ``WeakPerspectiveHead``, and give ``statistics`` as the means.

    Written differently, but the same function: HaMeR embeds a constant zero token, which makes a
    bias, and adds a learned position; here their sum is learned. Self-attention of a single token
    always gives it the weight 1, so its queries and keys, which never get a gradient, are left out.

    Not the same: the context is normalised here, since not every backbone ends in a norm as
    HaMeR's does.
    """

    def __init__(
        self,
        dim: int,
        *,
        width: int = 1024,
        num_layers: int = 6,
        num_heads: int = 8,
        head_dim: int = 64,
        mlp_dim: int = 1024,
    ) -> None:
        """Set up query and blocks; HaMeR's sizes unless told otherwise.

        Args:
            dim: token width, given by the head.
            width: of the query.
            num_layers: blocks.
            num_heads: of both attentions.
            head_dim: channels of each; ``num_heads * head_dim`` need not be ``width``.
            mlp_dim: hidden width of the MLPs.
        """
        super().__init__()
        self.width = width
        self.query = nn.Parameter(torch.randn(1, 1, width))
        self.context_norm = nn.LayerNorm(dim)
        self.blocks = nn.ModuleList(
            HamerBlock(width, dim, num_heads=num_heads, head_dim=head_dim, mlp_dim=mlp_dim)
            for _ in range(num_layers)
        )

    def forward(self, tokens: HandTokens) -> Tensor:
        """Return one token (B, T, width) of tokens (B, T, N, D)."""
        return gather(self.query, self.context_norm(tokens.all), self.blocks)


class HamerBlock(nn.Module):
    """Self-attention of one token, cross-attention and MLP, each pre-norm and residual."""

    def __init__(
        self, width: int, context_dim: int, *, num_heads: int, head_dim: int, mlp_dim: int
    ) -> None:
        super().__init__()
        inner_dim = num_heads * head_dim
        self.self_attention = nn.Sequential(
            nn.LayerNorm(width),
            nn.Linear(width, inner_dim, bias=False),  # values
            nn.Linear(inner_dim, width),
        )
        self.cross_norm = nn.LayerNorm(width)
        self.cross_attention = Attention(
            width, num_heads=num_heads, head_dim=head_dim, context_dim=context_dim
        )
        self.mlp = nn.Sequential(nn.LayerNorm(width), Mlp(width, mlp_dim))

    def forward(self, query: Tensor, context: Tensor) -> Tensor:
        """Return the query (B, 1, width) after looking at the context (B, N, D)."""
        query = query + self.self_attention(query)
        query = query + self.cross_attention(self.cross_norm(query), context)
        return query + self.mlp(query)
