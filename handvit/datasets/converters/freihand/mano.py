"""Place FreiHAND's MANO parameters on its meshes.

FreiHAND gives poses as offsets from the mean pose, and instead of a translation where the middle
knuckle appears in the image. What follows from that lies some millimetres and degrees beside the
published meshes, which are the ground truth, so the posed hand is moved rigidly onto its mesh.
"""

from typing import NamedTuple

import numpy as np
from scipy.spatial.transform import Rotation

from handvit.hand_models.hand_pair import HandPair
from handvit.hand_models.mano_conversion import add_mean_pose, rotate_global_orient

#: An entry of ``training_mano.json``: pose 48, shape 10, and three numbers that are not used:
#: u and v of the middle knuckle in px, and a scale.
MANO_SHAPE = (1, 61)


class PlacedMano(NamedTuple):
    """Hold MANO's parameters of one right hand in its camera."""

    global_orient: np.ndarray  # (3,) axis-angle
    hand_pose: np.ndarray  # (45,) absolute axis-angle
    betas: np.ndarray  # (10,)
    root: np.ndarray  # (3,) metres


def place_mano(
    entry: np.ndarray, vertices: np.ndarray, hands: HandPair
) -> tuple[PlacedMano, float]:
    """Pose MANO and move it onto a mesh.

    Args:
        entry: (1, 61), see ``MANO_SHAPE``.
        vertices: (778, 3) metres, in the camera.

    Returns:
        The parameters, and the mean distance of the vertices that remains, metres.
    """
    pose, betas = entry[0, :48], entry[0, 48:58]
    stored = PlacedMano(
        global_orient=pose[:3],
        hand_pose=add_mean_pose(pose[3:], hands.asset(True)),
        betas=betas,
        root=np.zeros(3),
    )
    posed = hands.pose(True, **stored._asdict()).vertices
    rotation, translation = rigid_fit(posed, vertices)
    gap = np.linalg.norm(posed @ rotation.T + translation - vertices, axis=-1).mean()
    placed = stored._replace(
        global_orient=rotate_global_orient(stored.global_orient, rotation),
        root=translation,  # the wrist lay at the origin
    )
    return placed, float(gap)


def rigid_fit(source: np.ndarray, target: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return R (3, 3) and t (3,) of the least squared error of ``target ~ R source + t``.

    Kabsch 1976; R is a proper rotation.

    Args:
        source: (N, 3).
        target: (N, 3).
    """
    source_mean, target_mean = source.mean(0), target.mean(0)
    fit, _ = Rotation.align_vectors(target - target_mean, source - source_mean)
    rotation = fit.as_matrix()
    return rotation, target_mean - rotation @ source_mean
