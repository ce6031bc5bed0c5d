"""Widen, bend, narrow: the feed-forward half of a transformer block."""

from torch import Tensor, nn


class Mlp(nn.Module):
    """Two linear layers with GELU between, over the last dimension."""

    def __init__(self, dim: int, hidden_dim: int, *, dropout: float = 0.0) -> None:
        super().__init__()
        self.widen = nn.Linear(dim, hidden_dim)
        self.activation = nn.GELU()
        self.dropout = nn.Dropout(dropout)
        self.narrow = nn.Linear(hidden_dim, dim)

    def forward(self, x: Tensor) -> Tensor:
        """Return (..., D)."""
        return self.narrow(self.dropout(self.activation(self.widen(x))))
