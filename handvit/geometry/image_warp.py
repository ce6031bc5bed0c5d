"""Build homographies and warp images with them, in the pixel convention of ``camera.py``.

A homography maps column pixels ``[x, y, 1]`` of the source image to the target image. Compose as
many as needed with ``matrix_product`` and warp the image *once*: each warp blurs.
"""

import torch
from kornia.geometry.transform import warp_perspective
from torch import Tensor

from handvit.geometry.camera import intrinsics_matrix
from handvit.geometry.matrices import matrix_product, transform_points


def mirror_homography(width: Tensor) -> Tensor:
    """Mirror an image ``width`` (...) px wide: x -> W - 1 - x. Returns (..., 3, 3)."""
    matrix = width.new_tensor([[-1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]])
    shift = torch.stack([width - 1, torch.zeros_like(width), torch.zeros_like(width)], dim=-1)
    return matrix + torch.nn.functional.pad(shift[..., None], (2, 0))  # (..., 3, 3)


def camera_homography(
    focal: Tensor, princpt: Tensor, rotation: Tensor, new_focal: Tensor, new_princpt: Tensor
) -> Tensor:
    """Map the image of a camera to the image of a rotated and zoomed one: K' R K^-1.

    Points move by ``X' = R X``. The centre of projection stays, so the map holds at every depth.
    Pixels whose ray turns behind the new camera have no image; keep rotations well below that.

    Args:
        focal: (..., 2) px of the old camera.
        princpt: (..., 2) px of the old camera.
        rotation: (..., 3, 3) from old to new camera axes.
        new_focal: (..., 2) px.
        new_princpt: (..., 2) px.

    Returns:
        (..., 3, 3).
    """
    to_rays = intrinsics_matrix(1 / focal, -princpt / focal)
    to_pixels = intrinsics_matrix(new_focal, new_princpt)
    return matrix_product(matrix_product(to_pixels, rotation), to_rays)


def crop_homography(crop_bbox_xyxy: Tensor, crop_size: int) -> Tensor:
    """Map a box to a square crop: [x0, x1] -> [-0.5, crop_size - 0.5]. Returns (..., 3, 3).

    Args:
        crop_bbox_xyxy: (..., 4) px; its edges are the outer edges of the crop's border pixels.
        crop_size: side of the crop in px.
    """
    scale, shift = _crop_scale_and_shift(crop_bbox_xyxy, crop_size)
    return intrinsics_matrix(scale, shift)


def crop_camera(
    focal: Tensor, princpt: Tensor, crop_bbox_xyxy: Tensor, crop_size: int
) -> tuple[Tensor, Tensor]:
    """Return ``focal_crop`` and ``princpt_crop`` (..., 2) of the crop that the box becomes."""
    scale, shift = _crop_scale_and_shift(crop_bbox_xyxy, crop_size)
    return focal * scale, princpt * scale + shift


def apply_homography(homography: Tensor, points: Tensor) -> Tensor:
    """Move pixels the way a warped image moves, (..., 3, 3) and (..., N, 2) -> (..., N, 2)."""
    points_homogeneous = torch.cat([points, torch.ones_like(points[..., :1])], dim=-1)
    moved = transform_points(homography, points_homogeneous)  # (..., N, 3)
    return moved[..., :2] / moved[..., 2:]


def warp_image(image: Tensor, homography: Tensor, size: int) -> Tensor:
    """Resample images into square targets, bilinear, zeros outside the source.

    Runs in float32 whatever autocast says: bfloat16 misplaces pixels by up to one.

    Args:
        image: (N, C, H, W) float.
        homography: (N, 3, 3) from image to target pixels.
        size: side of the target in px.

    Returns:
        (N, C, size, size) in the image's dtype.
    """
    assert image.dtype in (torch.float32, torch.float64), f"cannot warp {image.dtype} images"
    with torch.autocast(image.device.type, enabled=False):
        return warp_perspective(
            image, homography.to(image.dtype), (size, size), mode="bilinear", padding_mode="zeros"
        )


def _crop_scale_and_shift(crop_bbox_xyxy: Tensor, crop_size: int) -> tuple[Tensor, Tensor]:
    low, high = crop_bbox_xyxy[..., :2], crop_bbox_xyxy[..., 2:]
    scale = crop_size / (high - low)
    return scale, -low * scale - 0.5
