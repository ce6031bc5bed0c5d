"""Build and change axis-aligned boxes ``(x0, y0, x1, y1)`` in pixels.

Box edges are continuous coordinates with pixel centres at integers: the box of a whole image is
``(-0.5, -0.5, W - 0.5, H - 0.5)``.
"""

import torch
from torch import Tensor


def bbox_from_points(points: Tensor, valid: Tensor) -> Tensor:
    """Return the tight box around the valid points.

    Args:
        points: (..., N, 2) px.
        valid: (..., N) bool, at least one true; callers mask hands without any.

    Returns:
        (..., 4) px.
    """
    assert valid.any(-1).all(), "bbox_from_points needs a valid point in every box"
    low = points.where(valid[..., None], torch.inf).amin(-2)
    high = points.where(valid[..., None], -torch.inf).amax(-2)
    return torch.cat([low, high], dim=-1)


def bbox_center(bbox: Tensor) -> Tensor:
    """Return box centres, (..., 4) -> (..., 2) px."""
    return (bbox[..., :2] + bbox[..., 2:]) / 2


def bbox_size(bbox: Tensor) -> Tensor:
    """Return widths and heights, (..., 4) -> (..., 2) px."""
    return bbox[..., 2:] - bbox[..., :2]


def bbox_from_center_size(center: Tensor, size: Tensor) -> Tensor:
    """Build boxes from centres and (width, height), (..., 2) twice -> (..., 4) px."""
    return torch.cat([center - size / 2, center + size / 2], dim=-1)


def square_bbox(bbox: Tensor, expand: float | Tensor) -> Tensor:
    """Return squares of side ``expand`` x the longer side, with the same centres.

    Args:
        bbox: (..., 4) px.
        expand: factor, one for all boxes or (...) one for each.

    Returns:
        (..., 4) px.
    """
    side = bbox_size(bbox).amax(-1) * expand  # (...)
    return bbox_from_center_size(bbox_center(bbox), torch.stack([side, side], dim=-1))


def mirror_bbox(bbox: Tensor, width: Tensor | int) -> Tensor:
    """Mirror boxes in an image ``width`` (...) px wide: x -> W - 1 - x, edges swapped."""
    x0, y0, x1, y1 = bbox.unbind(-1)
    return torch.stack([width - 1 - x1, y0, width - 1 - x0, y1], dim=-1)
