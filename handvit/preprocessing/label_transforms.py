"""Move labels to another camera: mirror, turn the camera, jitter boxes.

Each function returns new labels; those that move pixels also return the homography that moves
the image the same way. Labels are ``(B, T, ...)``.
"""

import torch
from torch import Tensor

from handvit.geometry.boxes import (
    bbox_center,
    bbox_from_center_size,
    bbox_from_points,
    bbox_size,
    mirror_bbox,
)
from handvit.geometry.image_warp import apply_homography, camera_homography, mirror_homography
from handvit.geometry.rotation import mirror_points
from handvit.structures import HandLabels, ManoParams


def mirror_to_right(labels: HandLabels, width: Tensor) -> tuple[HandLabels, Tensor]:
    """Turn left hands into right ones by flipping image and space in x.

    Args:
        width: (B, T) of the stored images, px.

    Returns:
        Labels, and the homography (B, T, 3, 3): the identity for right hands. ``is_right`` keeps
        telling the real side.
    """
    homography = mirror_homography(width)
    mirrored = labels._replace(
        bbox_xyxy=mirror_bbox(labels.bbox_xyxy, width),
        princpt=_mirror_x(labels.princpt, width),
        keypoints_img=_mirror_x(labels.keypoints_img, width[..., None]),
        keypoints_cam=mirror_points(labels.keypoints_cam),
        mano=labels.mano.mirrored(),
    )
    is_right = labels.is_right
    identity = torch.eye(3, dtype=homography.dtype, device=homography.device)
    return _choose(is_right, labels, mirrored), _where(is_right, identity, homography)


def turn_camera(
    labels: HandLabels, rotation: Tensor, focal_scale: Tensor
) -> tuple[HandLabels, Tensor]:
    """See the same hands through a turned camera with another focal length, exactly.

    Args:
        rotation: (B, T, 3, 3), points move as ``X' = R X``.
        focal_scale: (B, T, 2), factor on fx and fy.

    Returns:
        Labels in the new camera, and the homography (B, T, 3, 3) of its image.
    """
    focal = labels.focal * focal_scale
    homography = camera_homography(labels.focal, labels.princpt, rotation, focal, labels.princpt)
    mano = labels.mano
    turned = labels._replace(
        focal=focal,
        bbox_xyxy=move_bbox(labels, homography),
        keypoints_img=apply_homography(homography, _known_keypoints(labels)),
        keypoints_cam=_turn(rotation, labels.keypoints_cam),
        mano=mano._replace(
            global_orient=rotation @ mano.global_orient,
            root_cam=_turn(rotation, mano.root_cam[..., None, :])[..., 0, :],
        ),
    )
    return turned, homography


def move_bbox(labels: HandLabels, homography: Tensor) -> Tensor:
    """Carry tight boxes through a homography so that they stay tight, (B, T, 4).

    The corners of a turned box span a larger box than the turned hand does, which would bias the
    distance prior. So the box of the moved keypoints is taken, with the margins that the old box
    left around the old keypoints. Keypoints without a label count as the box centre, hence a hand
    without any keeps the size of its box; keypoints beyond the box (some data sets clip boxes to
    the image) count as lying on its edge.
    """
    low, high = labels.bbox_xyxy[..., None, :].chunk(2, -1)
    points = _known_keypoints(labels).clamp(low, high)  # (B, T, 21, 2)
    every = torch.ones_like(labels.keypoints_img_valid)
    before = bbox_from_points(points, every)
    after = bbox_from_points(apply_homography(homography, points), every)
    scale = _local_scale(homography, bbox_center(labels.bbox_xyxy))  # (B, T)
    return after + (labels.bbox_xyxy - before) * scale[..., None]


def jitter_boxes(labels: HandLabels, shift: Tensor, scale: Tensor) -> HandLabels:
    """Displace boxes as a detector would.

    Args:
        shift: (B, T, 2) in units of the box's width and height.
        scale: (B, T) factor on both sides.
    """
    size = bbox_size(labels.bbox_xyxy)
    center = bbox_center(labels.bbox_xyxy) + shift * size
    return labels._replace(bbox_xyxy=bbox_from_center_size(center, size * scale[..., None]))


def _known_keypoints(labels: HandLabels) -> Tensor:
    center = bbox_center(labels.bbox_xyxy)[..., None, :]  # (B, T, 1, 2)
    return torch.where(labels.keypoints_img_valid[..., None], labels.keypoints_img, center)


def _local_scale(homography: Tensor, point: Tensor) -> Tensor:
    """Square root of the area change around a pixel, (...)."""
    homogeneous = torch.cat([point, torch.ones_like(point[..., :1])], -1)
    denominator = (homography[..., 2, :] * homogeneous).sum(-1)
    # The Jacobian determinant of a homography H at x is det(H) / (h3 . x)^3.
    return (torch.linalg.det(homography) / denominator**3).abs().sqrt()


def _turn(rotation: Tensor, points: Tensor) -> Tensor:
    return points @ rotation.mT  # (B, T, N, 3)


def _mirror_x(points: Tensor, width: Tensor) -> Tensor:
    return torch.stack([width - 1 - points[..., 0], points[..., 1]], -1)


def _where(condition: Tensor, yes: Tensor, no: Tensor) -> Tensor:
    return torch.where(condition.reshape(*condition.shape, *[1] * (no.dim() - 2)), yes, no)


def _choose(condition: Tensor, yes: HandLabels, no: HandLabels) -> HandLabels:
    mano = ManoParams(*(_where(condition, a, b) for a, b in zip(yes.mano, no.mano, strict=True)))
    names = ("bbox_xyxy", "princpt", "keypoints_img", "keypoints_cam")
    chosen = {name: _where(condition, getattr(yes, name), getattr(no, name)) for name in names}
    return yes._replace(**chosen, mano=mano)
