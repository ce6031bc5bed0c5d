"""Move points between pixels and metres with a pinhole camera.

The one pixel convention of HandViT: pixel centres lie at integer coordinates, so an image W wide
spans [-0.5, W - 0.5]. Camera axes follow OpenCV: x right, y down, z forward. One camera (focal and
principal point in pixels) serves N points.
"""

import torch
from torch import Tensor

_MIN_DEPTH = 0.01  # metres


def project(points_cam: Tensor, focal: Tensor, princpt: Tensor) -> Tensor:
    """Project points into the image.

    Args:
        points_cam: (..., N, 3) metres, in front of the camera (z > 0); others give pixels without
            meaning, so mask them.
        focal: (..., 2) px.
        princpt: (..., 2) px.

    Returns:
        (..., N, 2) px.
    """
    points_normalised = points_cam[..., :2] / points_cam[..., 2:]
    return points_normalised * focal[..., None, :] + princpt[..., None, :]


def project_in_front(points_cam: Tensor, focal: Tensor, princpt: Tensor) -> Tensor:
    """Project like ``project``, with what is nearer than 1 cm, or behind, moved to 1 cm.

    For predictions, whose fingers may come to lie behind the camera before training has begun;
    such a depth gets no gradient.
    """
    in_plane, depth = points_cam[..., :2], points_cam[..., 2:]
    return project(torch.cat([in_plane, depth.clamp_min(_MIN_DEPTH)], -1), focal, princpt)


def unproject(points_img: Tensor, depth: Tensor, focal: Tensor, princpt: Tensor) -> Tensor:
    """Lift pixels of known depth into camera space.

    Args:
        points_img: (..., N, 2) px.
        depth: (..., N) metres along z, not along the ray.
        focal: (..., 2) px.
        princpt: (..., 2) px.

    Returns:
        (..., N, 3) metres.
    """
    return pixel_rays(points_img, focal, princpt) * depth[..., None]


def pixel_rays(points_img: Tensor, focal: Tensor, princpt: Tensor) -> Tensor:
    """Return viewing directions with z = 1, (..., N, 2) px -> (..., N, 3)."""
    points_normalised = (points_img - princpt[..., None, :]) / focal[..., None, :]
    return torch.cat([points_normalised, torch.ones_like(points_normalised[..., :1])], dim=-1)


def unit_rays(points_img: Tensor, focal: Tensor, princpt: Tensor) -> Tensor:
    """Return viewing directions of length 1, (..., N, 2) px -> (..., N, 3)."""
    return torch.nn.functional.normalize(pixel_rays(points_img, focal, princpt), dim=-1)


def intrinsics_matrix(focal: Tensor, princpt: Tensor) -> Tensor:
    """Build the 3x3 camera matrix for libraries that demand it, (..., 2) px -> (..., 3, 3)."""
    focal, princpt = torch.broadcast_tensors(focal, princpt)
    left = torch.diag_embed(torch.cat([focal, torch.ones_like(focal[..., :1])], dim=-1))
    return left + torch.nn.functional.pad(princpt[..., None], (2, 0, 0, 1))  # (..., 3, 3)
