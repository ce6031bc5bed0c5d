"""Draw hand poses and shapes that a person could make, still or in smooth motion.

Every finger joint turns about three axes of its own: twist (along the bone), spread (towards the
thumb) and bend (closing the hand). Angles are kept in joint limits and built from gestures, so
that fingers curl together the way they do in life. All poses are those of a right hand.
"""

from functools import cache
from itertools import pairwise
from types import MappingProxyType

import numpy as np
import torch
from torch import Tensor

from handvit.datasets.synthetic.smooth_curve import HeldKeys
from handvit.geometry.matrices import matrix_product
from handvit.geometry.rotation import axis_angle_to_matrix, matrix_to_axis_angle
from handvit.hand_models.mano_assets import HandAsset
from handvit.structures.skeleton import FINGER_NAMES, FINGERTIP_VERTICES

TWIST, SPREAD, BEND = range(3)
NUM_JOINTS = 15
#: Order of the fingers in MANO's kinematic tree; three joints each.
MANO_FINGERS = ("index", "middle", "pinky", "ring", "thumb")
_THUMB = slice(12, 15)
_MAX_BETA = 2.0
_SECONDS_PER_KEY = 0.35

#: Gesture -> finger -> degrees. Fingers: spread, bend of the base joint, bend of the middle joint;
#: the last joint follows the middle one. Thumb: twist, spread and bend of the base joint, bend of
#: the middle and of the last joint.
_GESTURES = MappingProxyType(
    {
        "flat": ((0, 0, 0), (0, 0, 0), (0, 0, 0), (0, 0, 0), (0, 0, 0, 0, 0)),
        "relaxed": ((2, 18, 26), (0, 24, 32), (-2, 28, 34), (-5, 30, 32), (8, 6, 8, 10, 14)),
        "spread": ((12, -8, 0), (2, -8, 0), (-8, -8, 0), (-15, -8, 0), (-10, -18, -8, -4, -6)),
        "hook": ((2, 4, 80), (0, 4, 84), (-1, 6, 84), (-3, 8, 78), (4, 0, 6, 10, 15)),
        "fist": ((0, 78, 98), (0, 82, 98), (0, 84, 98), (0, 84, 94), (20, 12, 26, 38, 45)),
        "grasp": ((4, 42, 46), (0, 46, 48), (-2, 50, 50), (-6, 52, 48), (20, 6, 18, 16, 22)),
        "pinch": ((0, 48, 52), (0, 22, 28), (0, 14, 20), (0, 8, 14), (18, 20, 22, 22, 28)),
        "oppose": ((0, 8, 10), (0, 12, 15), (0, 28, 30), (0, 52, 52), (30, 25, 35, 35, 40)),
        "point": ((0, 2, 4), (0, 80, 98), (0, 84, 98), (0, 84, 94), (15, 12, 25, 35, 45)),
        "peace": ((8, -2, 3), (-6, -2, 3), (0, 82, 98), (0, 84, 94), (18, 16, 30, 40, 45)),
        "thumb_up": ((0, 76, 96), (0, 80, 98), (0, 82, 98), (0, 82, 94), (-8, -14, -6, -6, -8)),
        "gun": ((2, 0, 4), (0, 78, 96), (0, 82, 98), (0, 82, 94), (-8, -16, -4, 0, 0)),
        "horns": ((4, 0, 4), (0, 80, 98), (0, 82, 98), (-8, 2, 6), (20, 14, 28, 36, 42)),
        "call": ((0, 76, 96), (0, 80, 98), (0, 82, 98), (-12, 0, 4), (-10, -16, -6, -4, -4)),
    }
)
#: How far the last finger joint bends with the middle one.
_LAST_JOINT_RATIO = 0.63


def _joint_limits() -> tuple[np.ndarray, np.ndarray]:
    low, high = np.zeros((NUM_JOINTS, 3)), np.zeros((NUM_JOINTS, 3))
    for base in range(0, 12, 3):
        low[base : base + 3] = (-4, -15, -20), (0, 0, -4), (0, 0, -8)
        high[base : base + 3] = (4, 15, 88), (0, 0, 104), (0, 0, 72)
    low[_THUMB] = (-20, -22, -15), (-4, -6, -12), (0, 0, -15)
    high[_THUMB] = (34, 28, 38), (4, 6, 52), (0, 0, 62)
    return np.radians(low), np.radians(high)


#: (15, 3) rad: twist, spread, bend of each joint.
LOWER_LIMITS, UPPER_LIMITS = _joint_limits()


def joint_frames(asset: HandAsset) -> Tensor:
    """Return the twist, spread and bend axes of every finger joint, (15, 3, 3) float64 rows.

    Args:
        asset: a right hand with its fingers along -x and its back along +y.
    """
    vertices = asset.v_template.astype(np.float64)
    joints = asset.j_regressor.astype(np.float64) @ vertices  # (16, 3)
    tips = dict(zip(FINGER_NAMES, FINGERTIP_VERTICES["smplx"], strict=True))
    frames = []
    for finger, name in enumerate(MANO_FINGERS):
        chain = np.vstack([joints[3 * finger + 1 : 3 * finger + 4], vertices[tips[name]]])
        back = np.array([1.0, 1.0, 1.0] if name == "thumb" else [0.0, 1.0, 0.0])
        for start, end in pairwise(chain):
            twist = _unit(start - end)
            bend = _unit(np.cross(twist, back))
            frames.append([twist, np.cross(bend, twist), bend])
    return torch.tensor(np.array(frames))


def angles_to_axis_angle(angles: np.ndarray, frames: Tensor) -> Tensor:
    """Turn joint angles into MANO's ``hand_pose``, (..., 15, 3) rad -> (..., 15, 3) rad."""
    turns = axis_angle_to_matrix(frames * torch.from_numpy(angles)[..., None])  # (..., 15, 3, 3, 3)
    spread_and_bend = matrix_product(turns[..., SPREAD, :, :], turns[..., BEND, :, :])
    return matrix_to_axis_angle(matrix_product(spread_and_bend, turns[..., TWIST, :, :]))


def sample_angles(rng: np.random.Generator, num_poses: int) -> np.ndarray:
    """Draw independent poses within the joint limits, (num_poses, 15, 3) rad.

    Each is a gesture, partly blended into a second one finger by finger, with the fingers' curl
    disturbed together and each joint on its own.
    """
    gestures = _gesture_angles()
    first, second = gestures[rng.integers(len(gestures), size=(2, num_poses))]  # (P, 15, 3)
    blend = rng.beta(0.5, 1.0, (num_poses, 1)) + 0.15 * rng.standard_normal((num_poses, 5))
    blend = np.repeat(blend.clip(0, 1), 3, axis=1)[..., None]  # (P, 15, 1)
    angles = first + blend * (second - first)
    curl = 9 * rng.standard_normal((num_poses, 1)) + 5 * rng.standard_normal((num_poses, 5))
    angles[..., BEND] += np.radians(np.repeat(curl, 3, axis=1))
    noise = rng.standard_normal(angles.shape) * (1.5, 2.5, 4.0)
    return (angles + np.radians(noise)).clip(LOWER_LIMITS, UPPER_LIMITS)


def sample_moving_angles(rng: np.random.Generator, times: np.ndarray) -> np.ndarray:
    """Draw a hand that goes from pose to pose and rests at some, (T, 15, 3) rad.

    Args:
        times: (T,) seconds, increasing from zero.
    """
    keys = HeldKeys.sample(rng, times[-1], seconds_per_key=_SECONDS_PER_KEY, max_hold=4)
    return keys.curve(sample_angles(rng, keys.num_keys), times)


def sample_betas(rng: np.random.Generator) -> np.ndarray:
    """Draw the shape of a hand, (10,)."""
    return rng.standard_normal(10).clip(-_MAX_BETA, _MAX_BETA)


@cache
def _gesture_angles() -> np.ndarray:
    """Return all gestures as joint angles, (G, 15, 3) rad."""
    angles = np.zeros((len(_GESTURES), NUM_JOINTS, 3))
    for gesture, (index, middle, ring, pinky, thumb) in zip(
        angles, _GESTURES.values(), strict=True
    ):
        for finger, (spread, base, bend) in enumerate((index, middle, pinky, ring)):
            gesture[3 * finger, SPREAD] = spread
            gesture[3 * finger : 3 * finger + 3, BEND] = base, bend, _LAST_JOINT_RATIO * bend
        gesture[_THUMB.start] = thumb[:3]
        gesture[_THUMB.start + 1 :, BEND] = thumb[3:]
    return np.radians(angles)


def _unit(vector: np.ndarray) -> np.ndarray:
    return vector / np.linalg.norm(vector)
