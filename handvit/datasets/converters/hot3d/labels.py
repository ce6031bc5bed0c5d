"""Turn the poses of HOT3D into labels in the axes of a fisheye camera."""

from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from handvit.datasets.converters.hot3d.records import HandRecord, ManoRecord, Rigid, numbers
from handvit.datasets.converters.hot3d.umetrack import (
    KEYPOINTS,
    LANDMARKS,
    UmeTrackHand,
    UmeTrackMesh,
)
from handvit.datasets.converters.rectified_view import FisheyeHand
from handvit.hand_models.hand_pair import HandPair
from handvit.hand_models.mano_conversion import (
    add_mean_pose,
    pca_to_axis_angle,
    rotate_global_orient,
    transl_to_root,
)
from handvit.structures import HandSample
from handvit.structures.skeleton import NUM_KEYPOINTS


class HandShapes(NamedTuple):
    """Hold the shape of a person's hands: all frames of a clip and both sides share it."""

    betas: np.ndarray  # (10,)
    umetrack: UmeTrackHand

    @classmethod
    def of_record(cls, record: Any) -> "HandShapes":
        """Read ``__hand_shapes.json__``.

        Raises:
            ValueError: names the key and what is wrong with it.
        """
        betas = numbers(record, "mano", (10,))
        return cls(betas, UmeTrackHand(record.get("umetrack")))


def label_hand(
    blank: HandSample,
    record: HandRecord,
    *,
    shapes: HandShapes,
    hands: HandPair,
    camera_from_world: Rigid,
) -> FisheyeHand | None:
    """Label a hand by its MANO pose, else by UmeTrack's landmarks; ``None`` if it has neither.

    Args:
        blank: sample without labels.
        hands: the hand model that ``record.mano`` belongs to.
    """
    mesh = None
    if record.umetrack is not None:
        wrist = camera_from_world.after(record.umetrack.world_from_wrist)
        mesh = shapes.umetrack.pose(blank.is_right, record.umetrack.joint_angles, wrist)
    if record.mano is None:
        return None if mesh is None else umetrack_labels(blank, mesh)
    labels = mano_labels(
        blank, record.mano, betas=shapes.betas, hands=hands, camera_from_world=camera_from_world
    )
    posed = hands.pose_sample(labels)
    labels = replace(
        labels,
        keypoints_cam=posed.keypoints,
        mano_residual=None if mesh is None else landmark_gap(posed.keypoints, mesh),
    )
    return FisheyeHand(labels, posed.keypoints, posed.vertices)


def mano_labels(
    blank: HandSample,
    record: ManoRecord,
    *,
    betas: np.ndarray,
    hands: HandPair,
    camera_from_world: Rigid,
) -> HandSample:
    """Move a MANO pose to the camera; the keypoints are left to fill in.

    ``transl`` lacks the place of the wrist in MANO's rest pose, so it is no point that one could
    move from the world to the camera. The wrist is.
    """
    asset, valid = hands.asset(blank.is_right), np.ones(NUM_KEYPOINTS, bool)
    return replace(
        blank,
        keypoints_img_valid=valid,
        keypoints_cam_valid=valid,
        mano_valid=True,
        global_orient=rotate_global_orient(record.global_orient, camera_from_world.rotation),
        hand_pose=add_mean_pose(pca_to_axis_angle(record.thetas, asset), asset),
        betas=betas,
        mano_root_cam=camera_from_world.apply(transl_to_root(record.transl, betas, asset)),
    )


def landmark_gap(keypoints: np.ndarray, mesh: UmeTrackMesh) -> float:
    """Return how far MANO's keypoints (21, 3) lie from the landmarks it was fitted to, metres."""
    gap = keypoints[KEYPOINTS] - mesh.landmarks[LANDMARKS]
    return float(np.linalg.norm(gap, axis=-1).mean())


def umetrack_labels(blank: HandSample, mesh: UmeTrackMesh) -> FisheyeHand:
    """Label a hand by UmeTrack's landmarks, in 2D only.

    They lack the wrist that everything in 3D is measured from.

    Args:
        blank: sample without labels.
        mesh: in the axes of the camera.
    """
    keypoints, valid = np.zeros((NUM_KEYPOINTS, 3)), np.zeros(NUM_KEYPOINTS, bool)
    keypoints[KEYPOINTS], valid[KEYPOINTS] = mesh.landmarks[LANDMARKS], True
    return FisheyeHand(replace(blank, keypoints_img_valid=valid), keypoints, mesh.vertices)
