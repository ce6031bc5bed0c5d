"""Pose the hands of an ARCTIC sequence in the world and label them in its cameras."""

import numpy as np
import torch

from handvit.datasets.conversion.converter import Rejection
from handvit.datasets.converters.arctic.files import HandMotion
from handvit.datasets.converters.arctic.views import ViewCamera
from handvit.geometry.camera import project
from handvit.hand_models.hand_pair import HandPair
from handvit.hand_models.mano_conversion import add_mean_pose, rotate_global_orient, transl_to_root
from handvit.structures import HandSample
from handvit.structures.skeleton import NUM_KEYPOINTS

FRAME_RATE = 30.0  # Hz
FINGERTIPS = "smplx"
NEAREST = 0.1  # metres
NOT_FINITE = "pose or camera holds NaN or infinity"
TOO_NEAR = "hand is too near to the camera, or behind it"


def load_hands(source: str) -> HandPair:
    """Load the hand models that ARCTIC was fitted with.

    Args:
        source: as in ``HandPair.load``.
    """
    return HandPair.load(source, fingertips=FINGERTIPS, stock_left=True)


class WorldHand:
    """Hold one hand over the F frames of a sequence.

    Args:
        motion: parameters in the world.
        hands: of ``load_hands``.
    """

    def __init__(self, motion: HandMotion, hands: HandPair, *, is_right: bool) -> None:
        asset = hands.asset(is_right)
        self._hands, self._is_right = hands, is_right
        self._pose = {
            "global_orient": motion.global_orient,
            "hand_pose": add_mean_pose(motion.hand_pose, asset),
            "betas": motion.betas,
        }
        self._root = transl_to_root(motion.transl, motion.betas, asset)  # (F, 3)
        self._mesh = hands.pose(is_right, **self._pose, root=self._root)

    def label(self, row: int, camera: ViewCamera, *, image_id: str) -> HandSample | Rejection:
        """Return the labels of a frame, or why there are none.

        Args:
            row: frame of the motion.
            image_id: ``<dataset>/<sequence>/<camera>/<frame>``.
        """
        sample_id = f"{image_id}/{'right' if self._is_right else 'left'}"
        keypoints, vertices = (
            points[row] @ camera.rotation[row].T + camera.translation[row] for points in self._mesh
        )
        if not np.isfinite(vertices).all():
            return Rejection(NOT_FINITE, sample_id)
        if vertices[:, 2].min() < NEAREST:
            return Rejection(TOO_NEAR, f"{sample_id}: {vertices[:, 2].min():.2f} m")
        points = np.concatenate([keypoints, vertices])
        pixels = project(*map(torch.from_numpy, (points, camera.focal, camera.princpt))).numpy()
        annotated = np.ones(NUM_KEYPOINTS, bool)
        sample = HandSample(
            sample_id=sample_id,
            image=b"",
            image_size=camera.size,
            is_right=self._is_right,
            bbox_xyxy=np.concatenate([pixels.min(0), pixels.max(0)]),
            focal=camera.focal,
            princpt=camera.princpt,
            camera_valid=True,
            frame_time=row / FRAME_RATE,
            keypoints_img=pixels[:NUM_KEYPOINTS],
            keypoints_img_valid=annotated,
            keypoints_cam=keypoints,
            keypoints_cam_valid=annotated,
            extra={"subject": image_id.split("/")[1].split("_")[0]},
        )
        # The betas of left hands belong to MANO's stock left hand, which is not ours.
        return self._with_mano(sample, row, camera) if self._is_right else sample

    def _with_mano(self, sample: HandSample, row: int, camera: ViewCamera) -> HandSample:
        pose = {name: values[row] for name, values in self._pose.items()}
        rotation = camera.rotation[row]
        pose["global_orient"] = rotate_global_orient(pose["global_orient"], rotation)
        root = rotation @ self._root[row] + camera.translation[row]
        return self._hands.label(sample, root=root, **pose)
