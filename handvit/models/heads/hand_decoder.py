"""Read one hand off a crop's tokens: rotations, shape and place."""

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from handvit.models.layers import Attention, Mlp
from handvit.registry import MODELS
from handvit.structures import HandCrops, HandTokens, ManoParams

_NUM_BETAS = 10


@MODELS.register_module()
class HandDecoder(nn.Module):
    """Let one learned query gather what it needs, then regress from it.

    The regression runs in float32 whatever the autocast dtype.
    """

    def __init__(
        self,
        dim: int,
        *,
        pose_head: dict[str, Any],
        translation_head: dict[str, Any],
        width: int = 1024,
        num_layers: int = 4,
        num_heads: int = 16,
        mlp_dim: int = 4096,
        dropout: float = 0.1,
    ) -> None:
        """Set up query, blocks and heads.

        Args:
            dim: token width, given by the estimator.
            pose_head: token (..., width) to rotations (..., 16, 3, 3).
            translation_head: token and crops to the wrist's place, with a loss of its own.
            width: of the query.
            num_layers: of cross-attention and MLP.
            num_heads: must divide ``width``.
            mlp_dim: hidden width of the MLPs.
            dropout: inside the blocks.
        """
        super().__init__()
        self.query = nn.Parameter(0.02 * torch.randn(1, 1, width))
        self.context_norm = nn.LayerNorm(dim)
        self.blocks = nn.ModuleList(
            DecoderBlock(width, dim, num_heads=num_heads, mlp_dim=mlp_dim, dropout=dropout)
            for _ in range(num_layers)
        )
        self.norm = nn.LayerNorm(width)
        self.pose_head = MODELS.build({**pose_head, "dim": width})
        self.shape_head = nn.Linear(width, _NUM_BETAS)
        self.translation_head = MODELS.build({**translation_head, "dim": width})
        nn.init.normal_(self.shape_head.weight, std=1e-3)
        nn.init.zeros_(self.shape_head.bias)

    def forward(self, tokens: HandTokens, crops: HandCrops) -> tuple[ManoParams, NamedTuple]:
        """Return MANO parameters and the translation head's full answer, all ``(B, T, ...)``."""
        context = self.context_norm(tokens.all)  # (B, T, N, D)
        B, T = context.shape[:2]
        query = self.query.expand(B * T, -1, -1)
        for block in self.blocks:
            query = block(query, context.flatten(0, 1))
        token = self.norm(query)[:, 0].unflatten(0, (B, T))  # (B, T, width)

        with torch.autocast(token.device.type, enabled=False):
            token = token.float()
            rotations = self.pose_head(token)  # (B, T, 16, 3, 3)
            root = self.translation_head(token, crops)
            betas = self.shape_head(token)
        mano = ManoParams(rotations[..., 0, :, :], rotations[..., 1:, :, :], betas, root.root_cam)
        return mano, root

    def loss(self, root: NamedTuple, crops: HandCrops) -> dict[str, Tensor]:
        """Return the loss terms that belong to the translation head."""
        return self.translation_head.loss(root, crops)


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
