"""Convert other people's MANO parameters into ours, in NumPy, for dataset converters.

Ours: the wrist instead of ``transl``, and absolute poses (flat hand = zero) instead of offsets
from the mean pose or PCA coefficients.
"""

import numpy as np
from scipy.spatial.transform import Rotation

from handvit.hand_models.mano_assets import HandAsset


def transl_to_root(transl: np.ndarray, betas: np.ndarray, asset: HandAsset) -> np.ndarray:
    """Return the wrist of a hand given by MANO's translation: ``transl + J0(betas)``.

    Args:
        transl: (..., 3) metres, in the axes in which ``global_orient`` is given.
        betas: (..., 10).
        asset: hand model of the right side (left or right).

    Returns:
        (..., 3) metres. The wrist does not depend on the pose.
    """
    return np.asarray(transl) + _rest_wrist(betas, asset)


def root_to_transl(root: np.ndarray, betas: np.ndarray, asset: HandAsset) -> np.ndarray:
    """Return MANO's translation of a hand given by its wrist, (..., 3) metres."""
    return np.asarray(root) - _rest_wrist(betas, asset)


def rotate_global_orient(global_orient: np.ndarray, rotation: np.ndarray) -> np.ndarray:
    """Return the wrist rotation in other axes, for a change of frame ``X' = R X + t``.

    The wrist itself moves like any point, ``root' = R root + t``; MANO's ``transl`` does not.

    Args:
        global_orient: (..., 3) axis-angle, rad.
        rotation: (3, 3) from old to new axes, a proper rotation.

    Returns:
        (..., 3) axis-angle, rad.
    """
    vectors = np.asarray(global_orient, np.float64)
    rotated = Rotation.from_matrix(rotation) * Rotation.from_rotvec(vectors.reshape(-1, 3))
    return rotated.as_rotvec().reshape(vectors.shape)


def add_mean_pose(hand_pose: np.ndarray, asset: HandAsset) -> np.ndarray:
    """Turn offsets from the mean pose (``flat_hand_mean=False``) into absolute poses, (..., 45)."""
    return np.asarray(hand_pose) + asset.hands_mean.astype(np.float64)


def remove_mean_pose(hand_pose: np.ndarray, asset: HandAsset) -> np.ndarray:
    """Turn absolute poses into offsets from the mean pose, (..., 45) axis-angle."""
    return np.asarray(hand_pose) - asset.hands_mean.astype(np.float64)


def pca_to_axis_angle(coefficients: np.ndarray, asset: HandAsset) -> np.ndarray:
    """Turn the first K pose coefficients into axis-angle, (..., K) -> (..., 45).

    The mean pose is not part of it; add it with ``add_mean_pose``.
    """
    coefficients = np.asarray(coefficients)
    components = asset.hands_components[: coefficients.shape[-1]].astype(np.float64)
    if len(components) != coefficients.shape[-1]:
        raise ValueError(f"{coefficients.shape[-1]} pose coefficients; MANO has at most 45")
    return coefficients @ components


def _rest_wrist(betas: np.ndarray, asset: HandAsset) -> np.ndarray:
    """Return the wrist of the unposed hand, (..., 10) -> (..., 3) metres."""
    regressor = asset.j_regressor[0].astype(np.float64)  # (778,)
    template = regressor @ asset.v_template
    directions = np.einsum("v,vck->kc", regressor, asset.shapedirs)  # (10, 3)
    return template + np.asarray(betas) @ directions
