"""Move the MANO fits of InterHand2.6M (NeuralAnnot, Moon et al. 2022) into a camera."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from handvit.datasets.converters.interhand_joints import WorldCamera, tight_box
from handvit.hand_models.hand_pair import HandPair
from handvit.hand_models.mano_conversion import (
    add_mean_pose,
    rotate_global_orient,
    transl_to_root,
)
from handvit.structures import HandSample

MIN_DEPTH = 0.1  # metres; nothing in the studio comes so near to a camera


def add_mano(
    hand: HandSample, parameters: Mapping[str, np.ndarray], camera: WorldCamera, hands: HandPair
) -> HandSample | None:
    """Return a hand with a fit, its box grown to that of the mesh.

    Args:
        hand: with its keypoints.
        parameters: as in ``mano_labels``.

    Returns:
        ``None`` where the fit is not finite or not in front of the camera.
    """
    if not all(np.isfinite(values).all() for values in parameters.values()):
        return None
    labels = mano_labels(parameters, hand.is_right, camera, hands)
    fitted = replace(hand, mano_valid=True, **labels)
    vertices_cam = hands.pose_sample(fitted).vertices
    if not (vertices_cam[:, 2] > MIN_DEPTH).all():
        return None
    keypoints_img = hand.keypoints_img[hand.keypoints_img_valid]
    return replace(
        fitted,
        bbox_xyxy=tight_box(np.concatenate([camera.project(vertices_cam), keypoints_img])),
        mano_residual=hands.residual(fitted),
    )


def mano_labels(
    parameters: Mapping[str, np.ndarray], is_right: bool, camera: WorldCamera, hands: HandPair
) -> dict[str, np.ndarray]:
    """Return a fit as fields of ``HandSample``.

    Args:
        parameters: in the world: ``pose`` (48,) axis-angle, offsets from the mean pose, ``shape``
            (10,) and ``trans`` (3,) metres.
    """
    asset = hands.asset(is_right)
    pose, betas = parameters["pose"], parameters["shape"]
    return {
        "global_orient": rotate_global_orient(pose[:3], camera.rotation),
        "hand_pose": add_mean_pose(pose[3:], asset),
        "betas": betas,
        "mano_root_cam": camera.to_cam(transl_to_root(parameters["trans"], betas, asset)),
    }
