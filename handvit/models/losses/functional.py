"""Compare tensors without reducing them, and average what is valid."""

import torch
from torch import Tensor

from handvit.geometry.rotation import geodesic_angle


def masked_mean(values: Tensor, valid: Tensor) -> Tensor:
    """Average over valid elements; zero, with a zero gradient, when there is none.

    Args:
        values: (...), unreduced.
        valid: (...) bool of the same shape.
    """
    kept = torch.where(valid, values, torch.zeros_like(values))
    return kept.sum() / valid.sum().clamp_min(1)


def point_l1(pred: Tensor, gt: Tensor) -> Tensor:
    """Return the L1 distance of points, (..., N) of (..., N, C), summed over coordinates."""
    return (pred - gt).abs().sum(-1)


def robust_point_l1(pred: Tensor, gt: Tensor, delta: float) -> Tensor:
    """Return L1 up to ``delta`` and a logarithm beyond, so that outliers cannot dominate.

    ``d`` for ``d <= delta``, else ``delta * (1 + log(d / delta))``: value and slope continue.
    """
    distance = point_l1(pred, gt)
    beyond = delta * (1 + (distance.clamp_min(delta) / delta).log())
    return torch.where(distance <= delta, distance, beyond)


def rotation_l1(pred: Tensor, gt: Tensor) -> Tensor:
    """Return the summed L1 distance of rotation matrices, (...) of (..., 3, 3)."""
    return (pred - gt).abs().sum((-1, -2))


def rotation_angle(pred: Tensor, gt: Tensor) -> Tensor:
    """Return the angle between rotations in radians, (...) of (..., 3, 3)."""
    return geodesic_angle(pred, gt)
