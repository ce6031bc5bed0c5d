"""Label the pixels of a hand by projecting its metres, where a data set has no 2D labels."""

from dataclasses import replace

import numpy as np
import torch

from handvit.datasets.conversion.converter import Rejection
from handvit.geometry.camera import project
from handvit.structures import HandSample
from handvit.structures.skeleton import NUM_KEYPOINTS

BEHIND = "hand is not in front of the camera"


def label_keypoints(
    hand: HandSample, keypoints_cam: np.ndarray, valid: np.ndarray
) -> HandSample | Rejection:
    """Fill in the keypoints of a hand whose camera is known.

    Args:
        keypoints_cam: (21, 3) metres, canonical order; zeros where not valid.
        valid: (21,) bool.
    """
    if (keypoints_cam[valid, 2] <= 0).any():
        return Rejection(BEHIND, f"keypoints at z = {keypoints_cam[valid, 2].min():.3f} m")
    keypoints_img = np.zeros((NUM_KEYPOINTS, 2))
    keypoints_img[valid] = _project(hand, keypoints_cam[valid])
    return replace(
        hand,
        keypoints_img=keypoints_img,
        keypoints_img_valid=valid,
        keypoints_cam=keypoints_cam,
        keypoints_cam_valid=valid,
    )


def label_mesh(
    hand: HandSample, keypoints_cam: np.ndarray, vertices_cam: np.ndarray
) -> HandSample | Rejection:
    """Fill in all keypoints of a hand, and the tight box of them and its mesh.

    Args:
        keypoints_cam: (21, 3) metres, canonical order.
        vertices_cam: (778, 3) metres.
    """
    if (vertices_cam[:, 2] <= 0).any():
        return Rejection(BEHIND, f"vertices at z = {vertices_cam[:, 2].min():.3f} m")
    hand = label_keypoints(hand, keypoints_cam, np.ones(NUM_KEYPOINTS, bool))
    if isinstance(hand, Rejection):
        return hand
    points_img = np.concatenate([_project(hand, vertices_cam), hand.keypoints_img])
    return replace(hand, bbox_xyxy=np.concatenate([points_img.min(0), points_img.max(0)]))


def _project(hand: HandSample, points_cam: np.ndarray) -> np.ndarray:
    """Project points into the image of a hand, (N, 3) -> (N, 2) px."""
    return project(*map(torch.from_numpy, (points_cam, hand.focal, hand.princpt))).numpy()
