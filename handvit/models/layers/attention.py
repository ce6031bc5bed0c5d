"""Attend from queries to a context: for necks, decoder and temporal encoder alike."""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from handvit.models.layers.rotary import rotate_by_time


class KeysValues(NamedTuple):
    """Hold a context as attention looks at it, so that it is projected only once."""

    keys: Tensor  # (B, H, K, d), not rotated
    values: Tensor  # (B, H, K, d)

    def followed_by(self, later: "KeysValues") -> "KeysValues":
        """Append a context along K."""
        return KeysValues(*(torch.cat(pair, 2) for pair in zip(self, later, strict=True)))

    def last(self, count: int) -> "KeysValues":
        """Keep the last ``count`` (at least 1) entries of K, or all if there are fewer."""
        return KeysValues(*(x[:, :, -count:] for x in self))


class Attention(nn.Module):
    """Multi-head attention over ``(B, N, D)``; pass the query as context to self-attend."""

    def __init__(
        self,
        dim: int,
        *,
        num_heads: int,
        context_dim: int,
        head_dim: int | None = None,
        dropout: float = 0.0,
    ) -> None:
        """Set up the projections.

        Args:
            dim: width of queries and results.
            num_heads: attending side by side.
            context_dim: width of the context.
            head_dim: channels of a head; when omitted, ``num_heads`` of them make up ``dim``.
            dropout: of the attention weights, in training.

        Raises:
            ValueError: ``head_dim`` is omitted and ``num_heads`` does not divide ``dim``.
        """
        super().__init__()
        if head_dim is None and dim % num_heads:
            raise ValueError(f"attention: num_heads={num_heads} does not divide the width {dim}")
        inner_dim = num_heads * head_dim if head_dim else dim
        self.num_heads = num_heads
        # Of the attention weights. Never called, but it can be found and changed as a module.
        self.dropout = nn.Dropout(dropout)
        self.to_query = nn.Linear(dim, inner_dim, bias=False)
        self.to_key = nn.Linear(context_dim, inner_dim, bias=False)
        self.to_value = nn.Linear(context_dim, inner_dim, bias=False)
        self.to_out = nn.Linear(inner_dim, dim)

    def forward(self, query: Tensor, context: Tensor, mask: Tensor | None = None) -> Tensor:
        """Return (B, Q, D).

        Args:
            query: (B, Q, D).
            context: (B, K, C).
            mask: (B, Q, K) bool, true where a query may look; each query somewhere.
        """
        keys, values = self.project(context)
        return self._attend(self._split(self.to_query(query)), keys, values, mask)

    def project(self, context: Tensor) -> KeysValues:
        """Turn a context (B, K, C) into what ``attend_in_time`` looks at."""
        return KeysValues(self._split(self.to_key(context)), self._split(self.to_value(context)))

    def attend_in_time(
        self,
        query: Tensor,
        context: KeysValues,
        times: tuple[Tensor, Tensor],
        mask: Tensor | None = None,
    ) -> Tensor:
        """Return (B, Q, D) with rotary embedding of real times.

        Args:
            query: (B, Q, D).
            context: K entries, from ``project``.
            times: of the queries (B, Q) and of the context (B, K), any unit.
            mask: (B, Q, K) bool, true where a query may look; each query somewhere.
        """
        q = rotate_by_time(self._split(self.to_query(query)), times[0])
        return self._attend(q, rotate_by_time(context.keys, times[1]), context.values, mask)

    def _split(self, x: Tensor) -> Tensor:
        return x.unflatten(-1, (self.num_heads, -1)).transpose(1, 2)  # (B, H, N, d)

    def _attend(self, q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None) -> Tensor:
        dropout = self.dropout.p if self.dropout.training else 0.0
        mask = None if mask is None else mask[:, None]  # (B, 1, Q, K)
        out = F.scaled_dot_product_attention(q, k, v, attn_mask=mask, dropout_p=dropout)
        return self.to_out(out.transpose(1, 2).flatten(-2))  # (B, Q, D)
