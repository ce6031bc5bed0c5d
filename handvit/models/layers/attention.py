"""Attend from queries to a context: for necks, decoder and temporal encoder alike."""

import torch.nn.functional as F
from torch import Tensor, nn

from handvit.models.layers.rotary import rotate_by_time


class Attention(nn.Module):
    """Multi-head attention over ``(B, N, D)``; pass the query as context to self-attend.

    Raises:
        ValueError: ``num_heads`` does not divide ``dim``.
    """

    def __init__(self, dim: int, *, num_heads: int, context_dim: int, dropout: float = 0.0) -> None:
        super().__init__()
        if dim % num_heads:
            raise ValueError(f"attention: num_heads={num_heads} does not divide the width {dim}")
        self.num_heads = num_heads
        self.dropout = dropout
        self.to_query = nn.Linear(dim, dim, bias=False)
        self.to_key = nn.Linear(context_dim, dim, bias=False)
        self.to_value = nn.Linear(context_dim, dim, bias=False)
        self.to_out = nn.Linear(dim, dim)

    def forward(self, query: Tensor, context: Tensor, mask: Tensor | None = None) -> Tensor:
        """Return (B, Q, D).

        Args:
            query: (B, Q, D).
            context: (B, K, C).
            mask: (B, Q, K) bool, true where a query may look.
        """
        q, k, v = self._split(query, context)
        return self._attend(q, k, v, mask)

    def forward_in_time(
        self, query: Tensor, context: Tensor, times: tuple[Tensor, Tensor], mask: Tensor
    ) -> Tensor:
        """Return (B, Q, D) with rotary embedding of real times.

        Args:
            query: (B, Q, D).
            context: (B, K, C).
            times: of the queries (B, Q) and of the context (B, K), any unit.
            mask: (B, Q, K) bool, true where a query may look.
        """
        q, k, v = self._split(query, context)
        return self._attend(rotate_by_time(q, times[0]), rotate_by_time(k, times[1]), v, mask)

    def _split(self, query: Tensor, context: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        projected = self.to_query(query), self.to_key(context), self.to_value(context)
        q, k, v = (x.unflatten(-1, (self.num_heads, -1)).transpose(1, 2) for x in projected)
        return q, k, v  # each (B, H, N, d)

    def _attend(self, q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None) -> Tensor:
        dropout = self.dropout if self.training else 0.0
        mask = None if mask is None else mask[:, None]  # (B, 1, Q, K)
        out = F.scaled_dot_product_attention(q, k, v, attn_mask=mask, dropout_p=dropout)
        return self.to_out(out.transpose(1, 2).flatten(-2))  # (B, Q, D)
