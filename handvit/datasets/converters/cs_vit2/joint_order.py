"""Tell from the bones whether 3D keypoints are in canonical order and of human size."""

from types import MappingProxyType

import numpy as np

from handvit.structures.skeleton import (
    BONES,
    INTERHAND_TO_CANONICAL,
    KEYPOINT_NAMES,
    MANO_TO_CANONICAL,
    NUM_KEYPOINTS,
    RHD_TO_CANONICAL,
    WRIST,
)

ORDERS = MappingProxyType(
    {
        "canonical": tuple(range(NUM_KEYPOINTS)),
        "MANO": MANO_TO_CANONICAL,
        "InterHand2.6M": INTERHAND_TO_CANONICAL,
        "RHD": RHD_TO_CANONICAL,
    }
)
#: Finger tips of a fist lie nearer the wrist than its knuckles, which favours RHD's order a little.
_CLEARLY_SHORTER = 0.8
_MIDDLE_FINGER = range(8, 12)  # in BONES: wrist to tip
_HUMAN = (0.07, 0.35)  # metres from the wrist to the tip of the middle finger, along the bones
_LONGEST = 0.07  # metres of a bone that does not end in the wrist


def check_joint_order(keypoints_cam: np.ndarray, where: str) -> None:
    """Refuse keypoints in another known order or unit.

    The bones of the right order are the shortest ones. Hands vote by their median, so that a few
    with a wrong joint do no harm.

    Args:
        keypoints_cam: (N, 21, 3) metres; as many and different hands as possible.
        where: names the file in messages.

    Raises:
        ValueError: says which order it looks like, or which bones are not human.
    """
    lengths = {
        name: np.median(bone_lengths(keypoints_cam[:, order]).sum(-1))
        for name, order in ORDERS.items()
    }
    best = min(lengths, key=lengths.__getitem__)
    if lengths[best] < _CLEARLY_SHORTER * lengths["canonical"]:
        raise ValueError(
            f"{where}: joint_cam is not in canonical order (wrist, then thumb..pinky, each from"
            f" base to tip), most likely in that of {best}: all bones would be {lengths[best]:.3f}"
            f" m long then, and {lengths['canonical']:.3f} m in ours"
        )
    bones = np.median(bone_lengths(keypoints_cam), axis=0)  # (20,)
    finger = bones[_MIDDLE_FINGER].sum()
    if not _HUMAN[0] < finger < _HUMAN[1]:
        raise ValueError(
            f"{where}: joint_cam has {finger:.4g} m from the wrist to the tip of the middle finger"
            " if it is read as millimetres; want a human hand"
        )
    for (parent, child), length in zip(BONES, bones, strict=True):
        if parent != WRIST and length > _LONGEST:
            raise ValueError(
                f"{where}: joint_cam has {length:.3f} m from {KEYPOINT_NAMES[parent]} to"
                f" {KEYPOINT_NAMES[child]}, so some joints stand in the place of others"
            )


def bone_lengths(keypoints: np.ndarray) -> np.ndarray:
    """Return lengths of ``BONES``, (..., 21, 3) -> (..., 20)."""
    ends = keypoints[..., np.array(BONES), :]  # (..., 20, 2, 3)
    return np.linalg.norm(ends[..., 1, :] - ends[..., 0, :], axis=-1)
