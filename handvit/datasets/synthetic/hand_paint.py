"""Say where a hand's skin is redder, paler or a nail, so that its sides and fingers differ."""

from typing import NamedTuple

import numpy as np
import torch

from handvit.datasets.synthetic.pose_sampling import joint_frames
from handvit.geometry.rasterizer import vertex_normals
from handvit.hand_models.mano_assets import HandAsset

_KNUCKLE_RADIUS = 0.013  # metres
_LAST_JOINTS = (3, 6, 9, 12, 15)
_KNUCKLES = (1, 2, 4, 5, 7, 8, 10, 11, 14)


class HandPaint(NamedTuple):
    """Hold masks over the 778 vertices of a hand, each in [0, 1]."""

    palm: np.ndarray  # (778,)
    knuckles: np.ndarray  # (778,)
    finger_tips: np.ndarray  # (778,)
    nails: np.ndarray  # (778,)


def hand_paint(asset: HandAsset) -> HandPaint:
    """Find the parts of a right hand's surface; a left hand has them at the same vertices."""
    vertices = asset.v_template
    normals = vertex_normals(torch.from_numpy(vertices), torch.from_numpy(asset.faces)).numpy()
    joints = asset.j_regressor @ vertices  # (16, 3)
    palm = 1 / (1 + np.exp(4 * normals[:, 1]))
    distance = np.linalg.norm(vertices[:, None] - joints[list(_KNUCKLES)], axis=-1)  # (778, 9)
    knuckles = np.exp(-((distance / _KNUCKLE_RADIUS) ** 2)).max(1) * (1 - palm)
    return HandPaint(
        palm=palm,
        knuckles=knuckles,
        finger_tips=asset.weights[:, _LAST_JOINTS].max(1),
        nails=_nails(asset, joints, normals),
    )


def _nails(asset: HandAsset, joints: np.ndarray, normals: np.ndarray) -> np.ndarray:
    """Mark the outer half of each last finger bone, on its back."""
    frames = joint_frames(asset).numpy()
    nails = np.zeros(len(asset.v_template))
    for joint in _LAST_JOINTS:
        twist, back, _ = frames[joint - 1]  # twist points to the wrist
        along = -(asset.v_template - joints[joint]) @ twist
        own = asset.weights[:, joint] > 0.5
        outer = along > 0.45 * along[own].max()
        nails[own & outer & (normals @ back > 0.75)] = 1
    return nails
