"""Rotate queries and keys by their time, so that attention sees time differences."""

import torch
from torch import Tensor


def rotate_by_time(x: Tensor, time: Tensor, base: float = 100.0) -> Tensor:
    """Apply rotary position embedding (Su et al. 2021, eq. 34) with real-valued positions.

    Works in float32, or in the dtype of ``x`` where that is finer. Subtract a common origin from
    large times, such as seconds since 1970, before they come here.

    Args:
        x: (B, H, N, d) with d even.
        time: (B, N), any unit; the fastest pair turns one radian a unit.
        base: ratio of the fastest to the slowest frequency.
    """
    dtype = torch.promote_types(x.dtype, torch.float32)
    half = x.shape[-1] // 2
    exponent = torch.arange(half, device=x.device, dtype=dtype) / half
    angle = time[:, None, :, None].to(dtype) * base**-exponent  # (B, 1, N, d/2)
    cos, sin = angle.cos(), angle.sin()
    first, second = x.to(dtype).chunk(2, -1)
    turned = torch.cat([first * cos - second * sin, first * sin + second * cos], -1)
    return turned.to(x.dtype)
