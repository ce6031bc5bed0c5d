"""Measure how large a hand is, whatever its pose."""

from torch import Tensor

from handvit.structures.skeleton import KEYPOINT_NAMES

_CHAIN = [KEYPOINT_NAMES.index(f"middle{joint}") for joint in (1, 2, 3, 4)]


def middle_finger_length(keypoints: Tensor) -> Tensor:
    """Return the summed length of the middle finger's three bones, (..., 21, 3) -> (...) metres."""
    joints = keypoints[..., _CHAIN, :]  # (..., 4, 3)
    return (joints[..., 1:, :] - joints[..., :-1, :]).norm(dim=-1).sum(-1)


def middle_finger_valid(keypoints_valid: Tensor) -> Tensor:
    """Say whether all four joints are annotated, (..., 21) bool -> (...) bool."""
    return keypoints_valid[..., _CHAIN].all(-1)
