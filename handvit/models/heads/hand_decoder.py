"""Gather what tokens know about one hand in a single token."""

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from handvit.models.layers import Attention, Mlp
from handvit.registry import MODELS
from handvit.structures import HandTokens


@MODELS.register_module()
class HandDecoder(nn.Module):
    """Let one learned query look at the tokens, layer after layer."""

    def __init__(
        self,
        dim: int,
        *,
        width: int = 1024,
        num_layers: int = 4,
        num_heads: int = 16,
        mlp_dim: int = 4096,
        dropout: float = 0.1,
    ) -> None:
        """Set up query and blocks.

        Args:
            dim: token width, given by the head.
            width: of the query.
            num_layers: of cross-attention and MLP.
            num_heads: must divide ``width``.
            mlp_dim: hidden width of the MLPs.
            dropout: inside the blocks.
        """
        super().__init__()
        self.width = width
        self.query = nn.Parameter(0.02 * torch.randn(1, 1, width))
        self.context_norm = nn.LayerNorm(dim)
        self.blocks = nn.ModuleList(
            DecoderBlock(width, dim, num_heads=num_heads, mlp_dim=mlp_dim, dropout=dropout)
            for _ in range(num_layers)
        )
        self.norm = nn.LayerNorm(width)

    def forward(self, tokens: HandTokens) -> Tensor:
        """Return one token (B, T, width) of tokens (B, T, N, D)."""
        return self.norm(gather(self.query, self.context_norm(tokens.all), self.blocks))


class DecoderBlock(nn.Module):
    """Pre-norm cross-attention, then an MLP, both residual."""

    def __init__(
        self, width: int, context_dim: int, *, num_heads: int, mlp_dim: int, dropout: float
    ) -> None:
        super().__init__()
        self.attention_norm = nn.LayerNorm(width)
        self.attention = Attention(
            width, num_heads=num_heads, context_dim=context_dim, dropout=dropout
        )
        self.mlp_norm = nn.LayerNorm(width)
        self.mlp = Mlp(width, mlp_dim, dropout=dropout)

    def forward(self, query: Tensor, context: Tensor) -> Tensor:
        """Return the query (B, Q, width) after looking at the context (B, N, D)."""
        query = query + self.attention(self.attention_norm(query), context)
        return query + self.mlp(self.mlp_norm(query))


def gather(query: Tensor, context: Tensor, blocks: Iterable[nn.Module]) -> Tensor:
    """Let one query look at the context of every frame, block after block.

    Args:
        query: (1, 1, width).
        context: (B, T, N, D).
        blocks: ``(query (B*T, 1, width), context (B*T, N, D)) -> query``.

    Returns:
        (B, T, width).
    """
    B, T = context.shape[:2]
    query = query.expand(B * T, -1, -1)
    for block in blocks:
        query = block(query, context.flatten(0, 1))
    return query[:, 0].unflatten(0, (B, T))
