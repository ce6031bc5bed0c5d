"""Turn labels into what statistics are about: right hands, and only what is known of them."""

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from handvit.geometry.box_prior import box_prior
from handvit.geometry.rotation import (
    axis_angle_to_matrix,
    matrix_to_axis_angle,
    mirror_axis_angle,
    mirror_points,
)
from handvit.structures.hand_size import middle_finger_length, middle_finger_valid
from handvit.structures.skeleton import WRIST

_MIN_HAND_SIZE = 0.01  # metres; a newborn's middle finger is twice as long


class PosedHands(NamedTuple):
    """Hold the P hands that have MANO labels."""

    rotation: np.ndarray  # (P, 16, 3, 3) wrist first
    axis_angle: np.ndarray  # (P, 48) rad, of angles up to pi
    betas: np.ndarray  # (P, 10)


class PlacedHands(NamedTuple):
    """Hold the R hands whose wrist is known in a real camera."""

    root_cam: np.ndarray  # (R, 3) metres
    prior: np.ndarray  # (R,) length of ``box_prior``: distance for each metre of hand size
    hand_size: np.ndarray  # (R,) metres, NaN where the middle finger is not known

    @property
    def distance(self) -> np.ndarray:
        """From the camera to the wrist, (R,) metres."""
        return np.linalg.norm(self.root_cam, axis=-1)


def posed_hands(labels: np.ndarray) -> PosedHands:
    """Select and mirror poses; labels (N,) are rows of a ``label_table``."""
    labels = labels[labels["mano_valid"]]
    joints = np.concatenate([labels["global_orient"], labels["hand_pose"]], axis=1)
    axis_angle = torch.from_numpy(joints).unflatten(-1, (16, 3))
    axis_angle = _mirror_left(labels, axis_angle, mirror_axis_angle(axis_angle))
    rotation = axis_angle_to_matrix(axis_angle)
    # Networks see matrices: labels that are a whole turn apart are the same pose to them.
    axis_angle = matrix_to_axis_angle(rotation).flatten(-2)  # (P, 48)
    return PosedHands(rotation.numpy(), axis_angle.numpy(), labels["betas"])


def placed_hands(labels: np.ndarray) -> PlacedHands:
    """Select and mirror places; labels (N,) are rows of a ``label_table``.

    Raises:
        ValueError: a middle finger is annotated but has no length; names the sample.
    """
    labels = labels[labels["camera_valid"] & labels["keypoints_cam_valid"][:, WRIST]]
    keypoints_cam = _tensor(labels, "keypoints_cam")
    root_cam = keypoints_cam[:, WRIST]
    root_cam = _mirror_left(labels, root_cam, mirror_points(root_cam))
    # A mirror changes neither the length of the prior nor that of a finger.
    prior = box_prior(*(_tensor(labels, name) for name in ("bbox_xyxy", "focal", "princpt")))
    is_sized = middle_finger_valid(_tensor(labels, "keypoints_cam_valid"))
    hand_size = middle_finger_length(keypoints_cam).where(is_sized, torch.nan).numpy()
    _check_sizes(labels, hand_size)
    return PlacedHands(root_cam.numpy(), prior.norm(dim=-1).numpy(), hand_size)


def _check_sizes(labels: np.ndarray, hand_size: np.ndarray) -> None:
    """Refuse labels that training would trust although they show no hand; hand_size (N,)."""
    is_none = hand_size < _MIN_HAND_SIZE
    if is_none.any():
        row = is_none.argmax()
        raise ValueError(
            f"{labels['sample_id'][row].decode()}: keypoints_cam has a middle finger of"
            f" {hand_size[row]:.3g} m; mark joints that are not known in keypoints_cam_valid when"
            " you convert (`tools/misc/data_doctor.py` finds more such hands)"
        )


def _tensor(labels: np.ndarray, name: str) -> Tensor:
    # A copy, for torch takes no strides of odd rows. Of one row NumPy would call them contiguous.
    return torch.from_numpy(labels[name].copy())


def _mirror_left(labels: np.ndarray, values: Tensor, mirrored: Tensor) -> Tensor:
    """Take the mirrored values of left hands, (N, ...) twice -> (N, ...)."""
    is_right = _tensor(labels, "is_right").reshape(-1, *[1] * (values.dim() - 1))
    return torch.where(is_right, values, mirrored)
