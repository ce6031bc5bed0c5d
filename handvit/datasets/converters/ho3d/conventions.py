"""Turn the numbers of HO3D into ours.

HO3D's camera looks along -z with y up, so points change by ``F = diag(1, -1, -1)``. MANO's
``transl`` does not: the wrist ``J0 + transl`` does. ``handPose`` is absolute, unlike in most data
sets; joints are in MANO's order with the tips at the end. All hands are right ones.
"""

from typing import NamedTuple

import numpy as np

from handvit.hand_models.mano_assets import HandAsset
from handvit.hand_models.mano_conversion import rotate_global_orient, transl_to_root
from handvit.structures.skeleton import MANO_TO_CANONICAL

#: ``X_opencv = OPENGL_TO_OPENCV * X_opengl``: y and z change their sign.
OPENGL_TO_OPENCV = np.array([1.0, -1.0, -1.0])

#: Fields of a label file, float64.
Meta = dict[str, np.ndarray]


class ManoInCamera(NamedTuple):
    """Hold MANO's parameters in OpenCV axes, with the wrist instead of ``transl``."""

    global_orient: np.ndarray  # (3,) axis-angle
    hand_pose: np.ndarray  # (45,) absolute axis-angle
    betas: np.ndarray  # (10,)
    root: np.ndarray  # (3,) metres


def mano_in_camera(meta: Meta, asset: HandAsset) -> ManoInCamera:
    """Return MANO's parameters of a label file in our terms."""
    pose, betas = meta["handPose"], meta["handBeta"]
    return ManoInCamera(
        global_orient=rotate_global_orient(pose[:3], np.diag(OPENGL_TO_OPENCV)),
        hand_pose=pose[3:],
        betas=betas,
        root=to_camera(transl_to_root(meta["handTrans"], betas, asset)),
    )


def to_camera(points_opengl: np.ndarray) -> np.ndarray:
    """Turn points into OpenCV axes, (..., 3) metres."""
    return points_opengl * OPENGL_TO_OPENCV


def to_keypoints(joints_opengl: np.ndarray) -> np.ndarray:
    """Turn HO3D's joints into canonical keypoints in OpenCV axes, (..., 21, 3) metres."""
    return to_camera(joints_opengl)[..., list(MANO_TO_CANONICAL), :]
