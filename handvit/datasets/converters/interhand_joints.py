"""Label hands whose 42 joints are known in a world, as InterHand2.6M and AssemblyHands keep them.

Joints 0-20 are the right hand's, 21-41 the left one's, each from the tips to the wrist.
"""

from typing import Any, NamedTuple

import numpy as np
import torch

from handvit.datasets.converters.interhand_json import numbers
from handvit.geometry.boxes import bbox_from_points
from handvit.geometry.camera import project
from handvit.structures.skeleton import INTERHAND_TO_CANONICAL, NUM_KEYPOINTS, WRIST

NUM_JOINTS = 2 * NUM_KEYPOINTS
METRES_PER_UNIT = 0.001
#: ``canonical = joints_of_both_hands[HAND_JOINTS[is_right]]``
HAND_JOINTS = {
    True: np.array(INTERHAND_TO_CANONICAL),
    False: np.array(INTERHAND_TO_CANONICAL) + NUM_KEYPOINTS,
}
#: What stands in a file where a joint is not known, in millimetres.
NO_POINT = (1.0, 1.0, 1.0)


class WorldJoints(NamedTuple):
    """Hold the joints of both hands at one instant, in the order of the file."""

    world_coord: np.ndarray  # (42, 3) millimetres
    joint_valid: np.ndarray  # (42,) bool, annotated in 3D

    @classmethod
    def compact(cls, record: dict[str, Any]) -> Any:
        """Take the place of an object of ``joint_3d.json`` as it is read, see ``read_json``."""
        if "world_coord" not in record:
            return record
        world_coord = numbers(record["world_coord"], (NUM_JOINTS, 3))
        return cls(world_coord, numbers(record["joint_valid"], (NUM_JOINTS,), bool))


class WorldCamera(NamedTuple):
    """Hold a pinhole camera in the world: ``X_cam = rotation @ X_world + translation``."""

    rotation: np.ndarray  # (3, 3)
    translation: np.ndarray  # (3,) metres
    focal: np.ndarray  # (2,) px
    princpt: np.ndarray  # (2,) px

    def to_cam(self, points_world: np.ndarray) -> np.ndarray:
        """Move points into the camera, (..., 3) metres both."""
        return points_world @ self.rotation.T + self.translation

    def project(self, points_cam: np.ndarray) -> np.ndarray:
        """Project points, (N, 3) metres -> (N, 2) px; without meaning behind the camera."""
        depth = np.where(points_cam[:, 2:] > 0, points_cam[:, 2:], 1.0)
        points = np.concatenate([points_cam[:, :2], depth], axis=1)
        return project(*map(torch.from_numpy, (points, self.focal, self.princpt))).numpy()


class SeenJoints(NamedTuple):
    """Hold the joints of both hands as one camera sees them, in the order of the file."""

    points_cam: np.ndarray  # (42, 3) metres
    points_img: np.ndarray  # (42, 2) px
    cam_valid: np.ndarray  # (42,) bool, known in 3D and not behind the camera
    img_valid: np.ndarray  # (42,) bool, known and inside the image

    @classmethod
    def of(cls, joints: WorldJoints, camera: WorldCamera, inside: np.ndarray) -> "SeenJoints":
        """Look at joints.

        Args:
            inside: (42,) bool, annotated in this image.
        """
        known = joints.joint_valid & (joints.world_coord != NO_POINT).any(1)
        points_cam = camera.to_cam(joints.world_coord * METRES_PER_UNIT)
        # NaN is not behind the camera: it stays valid in 3D, so that the hand is counted as broken.
        cam_valid = known & ~(points_cam[:, 2] <= 0)
        img_valid = known & inside & (points_cam[:, 2] > 0)
        return cls(points_cam, camera.project(points_cam), cam_valid, img_valid)

    def inside(self, size: tuple[int, int]) -> "SeenJoints":
        """Return the same joints, those outside an image of this (width, height) not valid in 2D.

        Where a file says only which joints are annotated.
        """
        low, high = -0.5, np.array(size) - 0.5
        is_inside = ((self.points_img > low) & (self.points_img < high)).all(1)
        return self._replace(img_valid=self.img_valid & is_inside)

    def labels(self, is_right: bool) -> dict[str, np.ndarray]:
        """Return the fields ``keypoints_*`` of one hand's ``HandSample``.

        A hand without its wrist has no place of its own, so nothing of it counts as known in 3D.
        """
        joints = HAND_JOINTS[is_right]
        cam_valid = self.cam_valid[joints] & self.cam_valid[joints[WRIST]]
        img_valid = self.img_valid[joints]
        return {
            "keypoints_img": np.where(img_valid[:, None], self.points_img[joints], 0.0),
            "keypoints_img_valid": img_valid,
            "keypoints_cam": np.where(cam_valid[:, None], self.points_cam[joints], 0.0),
            "keypoints_cam_valid": cam_valid,
        }


def tight_box(points_img: np.ndarray) -> np.ndarray:
    """Return the box around points, (N, 2) px -> (4,) px."""
    points = torch.from_numpy(points_img)
    return bbox_from_points(points, torch.ones(len(points), dtype=torch.bool)).numpy()
