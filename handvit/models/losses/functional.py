"""Compare tensors without reducing them, and average what is valid.

Gradients are finite everywhere, at equal arguments included.
"""

import math

import torch
from mmengine.dist import all_reduce, get_world_size
from torch import Tensor

from handvit.geometry.rotation import geodesic_angle, matrix_to_axis_angle


def masked_mean(values: Tensor, valid: Tensor) -> Tensor:
    """Average over valid elements; zero, with a zero gradient, when there is none.

    Under data parallelism, where gradients are averaged over processes, it divides by the mean
    number of valid elements per process. So each element weighs the same, whichever process has it,
    and all processes together learn what one process with all of the data would.

    Args:
        values: (...), unreduced.
        valid: (...) bool of the same shape.

    Raises:
        ValueError: the shapes differ.
    """
    if values.shape != valid.shape:
        raise ValueError(
            f"masked_mean: values {tuple(values.shape)}, but their mask {tuple(valid.shape)}; where"
            " a loss has a `distance` in its config, it must be one of points (..., C) or one of"
            " rotations (..., 3, 3), as the loss needs"
        )
    kept = torch.where(valid, values, torch.zeros_like(values))
    count = valid.sum().float()
    all_reduce(count, op="mean")
    return kept.sum() / count.clamp_min(1 / get_world_size())  # of one valid element in all


def fill_unlabelled(gt: Tensor, pred: Tensor, valid: Tensor) -> Tensor:
    """Put the prediction where there is no label, so that the error there is zero.

    ``masked_mean`` alone is not enough: backward, its zero meets the slope of the distance, and
    zero times the infinite slope at a meaningless label is NaN.

    Args:
        gt: (..., *rest) labels; anything where they are not valid.
        pred: the same shape.
        valid: (...) bool.
    """
    valid = valid.reshape(*valid.shape, *[1] * (gt.ndim - valid.ndim))  # (..., 1, ..., 1)
    return torch.where(valid, gt, pred.detach())


def point_l1(pred: Tensor, gt: Tensor) -> Tensor:
    """Return the L1 distance of points, (..., N) of (..., N, C), summed over coordinates."""
    return (pred - gt).abs().sum(-1)


def point_l2(pred: Tensor, gt: Tensor) -> Tensor:
    """Return the Euclidean distance of points, (..., N) of (..., N, C); slope 0 at 0."""
    return torch.linalg.vector_norm(pred - gt, dim=-1)


def smooth_point_l1(pred: Tensor, gt: Tensor, beta: float) -> Tensor:
    """Return L1 with a round tip, summed over coordinates (Girshick 2015, eq. 3).

    A coordinate's error ``e`` counts ``e^2 / (2 beta)`` below ``beta``, else ``e - beta / 2``; the
    paper has ``beta = 1``. Value and slope continue.
    """
    error = (pred - gt).abs()
    tip = 0.5 * error.clamp_max(beta).square() / beta
    return (tip + (error - beta).clamp_min(0)).sum(-1)


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


def axis_angle_l1(pred: Tensor, gt: Tensor) -> Tensor:
    """Return the summed L1 distance of rotation vectors in radians, (...) of (..., 3, 3).

    A turn by ``a`` about an axis is a turn by ``2 pi - a`` about the opposite one. ``gt`` is
    written the way that is nearer: near half turns the two vectors of equal rotations may be
    opposite. Where ``pred`` passes a half turn far from ``gt`` the value still jumps, which
    ``rotation_angle`` never does.
    """
    pred_vector, gt_vector = matrix_to_axis_angle(pred), matrix_to_axis_angle(gt)
    angle = torch.linalg.vector_norm(gt_vector, dim=-1, keepdim=True)
    # A vector without an axis stays as it is.
    opposite = gt_vector * (1 - 2 * math.pi / torch.where(angle > 0, angle, math.inf))
    return torch.minimum(point_l1(pred_vector, gt_vector), point_l1(pred_vector, opposite))
