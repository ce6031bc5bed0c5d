"""Vary the camera and the box of training clips, labels included."""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from handvit.geometry.boxes import bbox_center
from handvit.geometry.camera import unit_rays
from handvit.geometry.rotation import axis_angle_to_matrix
from handvit.preprocessing.label_transforms import jitter_boxes, turn_camera
from handvit.registry import MODELS
from handvit.structures import HandLabels


class AugmentedLabels(NamedTuple):
    """Labels in the virtual camera, and how its image follows from the old one."""

    labels: HandLabels
    homography: Tensor  # (B, T, 3, 3)
    crop_scale: Tensor  # (B, T) factor on the side of the crop


@MODELS.register_module()
class GeometricAugmentation(nn.Module):
    """Draw one camera change a clip and one box error a frame.

    Every value is the half width of a uniform distribution around "no change". The camera
    changes are exact: they move image, camera and 3D labels by one homography and one rotation.
    """

    def __init__(
        self,
        *,
        roll: float = 0.0,
        tilt: float = 0.0,
        focal_log_scale: float = 0.0,
        box_shift: float = 0.0,
        box_log_scale: float = 0.0,
        crop_log_scale: float = 0.0,
    ) -> None:
        """Set the ranges.

        Args:
            roll: radians, about the ray through the box centre (in-plane rotation).
            tilt: radians, about an axis in the image plane (perspective rotation).
            focal_log_scale: log of the factors on fx and fy, drawn apart.
            box_shift: in units of the box's sides, a frame.
            box_log_scale: log of the factor on the box, a frame.
            crop_log_scale: log of the factor on the crop's side, a clip.
        """
        super().__init__()
        self.roll = roll
        self.tilt = tilt
        self.focal_log_scale = focal_log_scale
        self.box_shift = box_shift
        self.box_log_scale = box_log_scale
        self.crop_log_scale = crop_log_scale

    def forward(self, labels: HandLabels) -> AugmentedLabels:
        """Return labels ``(B, T, ...)`` as another camera and a detector would give them."""
        B, T = labels.is_right.shape
        like = labels.bbox_xyxy
        focal_scale = _uniform(self.focal_log_scale, like, B, 1, 2).exp().expand(B, T, 2)
        labels, homography = turn_camera(labels, self._draw_rotation(labels), focal_scale)
        shift = _uniform(self.box_shift, like, B, T, 2)
        scale = _uniform(self.box_log_scale, like, B, T).exp()
        crop_scale = _uniform(self.crop_log_scale, like, B, 1).exp().expand(B, T)
        return AugmentedLabels(jitter_boxes(labels, shift, scale), homography, crop_scale)

    def _draw_rotation(self, labels: HandLabels) -> Tensor:
        """One rotation a clip: roll about the last frame's hand, then tilt, (B, T, 3, 3)."""
        B, T = labels.is_right.shape
        last = labels.last_frame()
        center = bbox_center(last.bbox_xyxy)[..., None, :]  # (B, 1, 1, 2)
        ray = unit_rays(center, last.focal, last.princpt)[..., 0, :]  # (B, 1, 3)
        roll = axis_angle_to_matrix(_uniform(self.roll, ray, B, 1, 1) * ray)
        angle = _uniform(torch.pi, ray, B, 1)
        axis = torch.stack([angle.cos(), angle.sin(), torch.zeros_like(angle)], -1)
        tilt = axis_angle_to_matrix(_uniform(self.tilt, ray, B, 1, 1) * axis)
        return (tilt @ roll).expand(B, T, 3, 3)


def _uniform(half_width: float, like: Tensor, *shape: int) -> Tensor:
    return (torch.rand(shape, dtype=like.dtype, device=like.device) * 2 - 1) * half_width
