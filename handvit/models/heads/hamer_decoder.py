"""Gather tokens in one the way HaMeR does, to compare with it."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from handvit.models.layers import Mlp
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
        context = self.context_norm(tokens.all)  # (B, T, N, D)
        B, T = context.shape[:2]
        query = self.query.expand(B * T, -1, -1)
        for block in self.blocks:
            query = block(query, context.flatten(0, 1))
        return query[:, 0].unflatten(0, (B, T))  # (B, T, width)


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
        self.cross_attention = _NarrowAttention(width, context_dim, num_heads, head_dim)
        self.mlp = nn.Sequential(nn.LayerNorm(width), Mlp(width, mlp_dim))

    def forward(self, query: Tensor, context: Tensor) -> Tensor:
        """Return the query (B, 1, width) after looking at the context (B, N, D)."""
        query = query + self.self_attention(query)
        query = query + self.cross_attention(self.cross_norm(query), context)
        return query + self.mlp(query)


class _NarrowAttention(nn.Module):
    """Multi-head attention whose inner width is not that of the query, unlike ``Attention``."""

    def __init__(self, dim: int, context_dim: int, num_heads: int, head_dim: int) -> None:
        super().__init__()
        inner_dim = num_heads * head_dim
        self.num_heads = num_heads
        self.to_query = nn.Linear(dim, inner_dim, bias=False)
        self.to_key = nn.Linear(context_dim, inner_dim, bias=False)
        self.to_value = nn.Linear(context_dim, inner_dim, bias=False)
        self.to_out = nn.Linear(inner_dim, dim)

    def forward(self, query: Tensor, context: Tensor) -> Tensor:
        q, k, v = self.to_query(query), self.to_key(context), self.to_value(context)
        out = F.scaled_dot_product_attention(*(self._split(x) for x in (q, k, v)))
        return self.to_out(out.transpose(1, 2).flatten(-2))  # (B, Q, D)

    def _split(self, x: Tensor) -> Tensor:
        return x.unflatten(-1, (self.num_heads, -1)).transpose(1, 2)  # (B, H, N, d)
