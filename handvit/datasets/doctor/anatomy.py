"""Know what hands are like: their bones, the way their fingers bend, and orders of keypoints.

Lengths are those of an adult after Buryanov & Kotiuk 2010, "Proportions of hand segments"
(metacarpals and phalanges on X-rays). Keypoints lie elsewhere at two places: the wrist is some
22 mm before the metacarpals, a finger's tip some 4 mm beyond its last bone.
"""

from types import MappingProxyType

import numpy as np

from handvit.structures.skeleton import (
    BONES,
    INTERHAND_TO_CANONICAL,
    MANO_TO_CANONICAL,
    RHD_TO_CANONICAL,
)

#: (20,) metres, in the order of ``BONES``.
ADULT_BONE_LENGTH = np.array(
    [
        *(0.035, 0.046, 0.032, 0.026),  # thumb, whose base is close to the wrist
        *(0.090, 0.040, 0.022, 0.020),
        *(0.087, 0.045, 0.026, 0.021),
        *(0.080, 0.041, 0.026, 0.021),
        *(0.076, 0.033, 0.018, 0.020),
    ]
)
#: ``extent`` of an adult's hand in an everyday pose, metres.
ADULT_EXTENT = 0.19

#: Orders that data sets come in; ``canonical = stored[order]`` repairs one.
KNOWN_ORDERS = MappingProxyType(
    {
        "MANO's 16 joints, then the tips": MANO_TO_CANONICAL,
        "each finger tip to base, wrist last (InterHand2.6M)": INTERHAND_TO_CANONICAL,
        "wrist, then each finger tip to base (RHD)": RHD_TO_CANONICAL,
        "fingers base to tip, wrist last": (20, *range(20)),
        "little finger first": (
            0, 17, 18, 19, 20, 13, 14, 15, 16, 9, 10, 11, 12, 5, 6, 7, 8, 1, 2, 3, 4,
        ),
        "thumb last": (0, *range(17, 21), *range(1, 17)),
    }
)  # fmt: skip

_PARENTS, _CHILDREN = np.array(BONES).T
_INDEX_BASE, _PINKY_BASE = 5, 17


def bone_lengths(keypoints: np.ndarray) -> np.ndarray:
    """Measure bones, (..., 21, 3) -> (..., 20)."""
    return np.linalg.norm(_bones(keypoints), axis=-1)


def proportion_error(bone_length: np.ndarray) -> np.ndarray:
    """Compare the proportions of hands with an adult's, (..., 20) -> (...).

    Returns the standard deviation of ``log(length / adult length)`` over the bones, which does not
    depend on the unit; bones that are NaN are left out.
    """
    ratio = np.log(np.maximum(bone_length, 1e-9) / ADULT_BONE_LENGTH)
    known = np.isfinite(ratio)
    count = np.maximum(known.sum(-1), 1)
    mean = np.where(known, ratio, 0).sum(-1) / count
    square = np.where(known, (ratio - mean[..., None]) ** 2, 0).sum(-1) / count
    return np.where(known.any(-1), np.sqrt(square), np.nan)


def right_handedness(keypoints_cam: np.ndarray) -> np.ndarray:
    """Tell right from left hands by the way their fingers bend, (..., 21, 3) -> (...).

    A finger's two outer joints bend towards the palm and hardly ever the other way. Their axes
    point from the little finger's side to the index finger's side on a right hand, and opposite on
    a left one.

    Returns:
        mean sine of the signed angle at these joints of the four fingers, in [-1, 1]: above zero
        for right hands, near zero for flat ones, NaN where keypoints are missing.
    """
    bones = _unit(_bones(keypoints_cam))
    fingers = bones.reshape(*bones.shape[:-2], 5, 4, 3)[..., 1:, :, :]  # (..., 4, 4, 3)
    axes = np.cross(fingers[..., 1:-1, :], fingers[..., 2:, :])  # (..., 4, 2, 3)
    across = _unit(keypoints_cam[..., _INDEX_BASE, :] - keypoints_cam[..., _PINKY_BASE, :])
    return (axes * across[..., None, None, :]).sum(-1).mean((-1, -2))


def _bones(keypoints: np.ndarray) -> np.ndarray:
    return keypoints[..., _CHILDREN, :] - keypoints[..., _PARENTS, :]


def _unit(vector: np.ndarray) -> np.ndarray:
    return vector / np.maximum(np.linalg.norm(vector, axis=-1, keepdims=True), 1e-12)
