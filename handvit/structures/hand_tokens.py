"""Hold what a backbone makes of a crop."""

from typing import NamedTuple

import torch
from torch import Tensor


class HandTokens(NamedTuple):
    """Tokens of crops; leading dims are ``(B,)`` in backbones and ``(B, T)`` after them."""

    prefix: Tensor  # (..., P, D) CLS token; P = 0 when the backbone has none
    patches: Tensor  # (..., N, D) raster order
    grid: tuple[int, int]  # rows, columns; N = rows * columns

    @property
    def all(self) -> Tensor:
        """Prefix and patches in one sequence, (..., P + N, D)."""
        return torch.cat([self.prefix, self.patches], -2)

    def with_all(self, tokens: Tensor) -> "HandTokens":
        """Replace prefix and patches by one sequence like ``all``."""
        prefix, patches = tokens.split([self.prefix.shape[-2], self.patches.shape[-2]], -2)
        return self._replace(prefix=prefix, patches=patches)

    def last_frame(self) -> "HandTokens":
        """Keep the predicted frame only: ``(B, T, ...)`` becomes ``(B, 1, ...)``."""
        return self._replace(prefix=self.prefix[:, -1:], patches=self.patches[:, -1:])
