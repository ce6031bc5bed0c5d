"""Say where something is by a distribution over cells of a line or a plane."""

import torch
from torch import Tensor, nn


class LineHeatmap(nn.Module):
    """Read a distribution over an interval off a token; the untrained one is nearly flat."""

    cells: Tensor  # (K, 1) what the middle of each cell stands for

    def __init__(self, dim: int, *, low: float, high: float, num_cells: int) -> None:
        """Set up equal cells over [low, high], any unit.

        Raises:
            ValueError: the interval or the number of cells is empty.
        """
        super().__init__()
        cells = cell_centers(low, high, num_cells)[:, None]
        self.to_logits = nn.Linear(dim, num_cells)
        nn.init.normal_(self.to_logits.weight, std=1e-3)
        nn.init.zeros_(self.to_logits.bias)
        self.register_buffer("cells", cells, persistent=False)

    def forward(self, token: Tensor) -> Tensor:
        """Return logits (..., K) of a token (..., D)."""
        return self.to_logits(token)


class PlaneHeatmap(nn.Module):
    """Read a distribution over a square off a token."""

    cells: Tensor  # (K, 2) middles (u, v), row by row

    def __init__(self, dim: int, *, low: float, high: float, cells_per_side: int) -> None:
        """Set up equal cells over [low, high]^2, any unit.

        Raises:
            ValueError: the interval or the number of cells is empty.
        """
        super().__init__()
        line = cell_centers(low, high, cells_per_side)
        self.to_logits = nn.Linear(dim, cells_per_side * cells_per_side)
        v, u = torch.meshgrid(line, line, indexing="ij")
        self.register_buffer("cells", torch.stack([u, v], -1).flatten(0, 1), persistent=False)

    def forward(self, token: Tensor) -> Tensor:
        """Return logits (..., K) of a token (..., D)."""
        return self.to_logits(token)


def soft_argmax(logits: Tensor, cells: Tensor) -> Tensor:
    """Return the expected place (Sun et al. 2018, eq. 2), (..., K) and (K, C) -> (..., C)."""
    return logits.softmax(-1) @ cells


def heatmap_std(logits: Tensor, cells: Tensor) -> Tensor:
    """Return the standard deviation along each coordinate, (..., K) and (K, C) -> (..., C)."""
    probability = logits.softmax(-1)
    offset = cells - (probability @ cells)[..., None, :]  # (..., K, C)
    variance = (probability[..., None] * offset.square()).sum(-2)
    return variance.clamp_min(1e-12).sqrt()


def cell_centers(low: float, high: float, num_cells: int) -> Tensor:
    """Return the middles of equal cells that fill [low, high], (num_cells,).

    Raises:
        ValueError: the interval or the number of cells is empty.
    """
    if num_cells < 1 or low >= high:
        raise ValueError(f"heatmap: {num_cells} cells over [{low}, {high}] are none")
    return low + (torch.arange(num_cells) + 0.5) / num_cells * (high - low)
