"""Tell tokens their place in the crop."""

import torch
from torch import Tensor


def sincos_position_encoding(
    grid: tuple[int, int], dim: int, device: torch.device | None = None, base: float = 100.0
) -> Tensor:
    """Return the fixed 2D sine-cosine code of a token grid, (rows * columns, D), raster order.

    Half of the channels tell the row and half the column (Vaswani et al. 2017, sec. 3.5, per
    axis). Positions run over [-1, 1] in the crop, so that the code of a place does not depend on
    the number of tokens.

    Raises:
        ValueError: ``dim`` is not divisible by 4.
    """
    if dim % 4:
        raise ValueError(f"position encoding: the token width {dim} is not divisible by 4")
    rows, columns = grid
    quarter = dim // 4
    frequency = base ** (
        torch.arange(quarter, device=device) / quarter
    )  # slowest: half a turn over the crop
    row_angle = torch.pi / 2 * _centers(rows, device)[:, None] * frequency  # (rows, D/4)
    column_angle = torch.pi / 2 * _centers(columns, device)[:, None] * frequency
    row_code = torch.cat([row_angle.sin(), row_angle.cos()], -1)  # (rows, D/2)
    column_code = torch.cat([column_angle.sin(), column_angle.cos()], -1)
    code = torch.cat(
        [
            row_code[:, None].expand(rows, columns, -1),
            column_code[None].expand(rows, columns, -1),
        ],
        -1,
    )
    return code.flatten(0, 1)  # (N, D)


def _centers(count: int, device: torch.device | None) -> Tensor:
    return (torch.arange(count, device=device) + 0.5) / count * 2 - 1
