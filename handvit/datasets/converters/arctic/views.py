"""Place the cameras of ARCTIC's nine views: one on the head, eight that stand still."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from handvit.datasets.converters.arctic.files import ArcticSubject, EgoCamera
from handvit.datasets.converters.arctic.undistortion import Undistortion

EGO_VIEW = 0
STATIC_VIEWS = tuple(range(1, 9))
FULL_IMAGES = "images"
#: Folder of images -> how much the ego view was shrunk in it.
IMAGE_SCALES = {FULL_IMAGES: 1.0, "cropped_images": 0.3}


class ViewCamera(NamedTuple):
    """Hold the camera of one view over F frames: ``X_cam = R X_world + t``, metres."""

    rotation: np.ndarray  # (F, 3, 3)
    translation: np.ndarray  # (F, 3)
    focal: np.ndarray  # (2,) px of the image that ``read`` returns
    princpt: np.ndarray  # (2,) px
    size: tuple[int, int]  # width, height
    read: Callable[[Path], bytes]  # returns an encoded pinhole image


def static_camera(subject: ArcticSubject, view: int, num_frames: int) -> ViewCamera:
    """Return the camera of a view from 1 to 8; its full images are pinhole images already."""
    pose = subject.world_to_cam[view - 1]
    intrinsics = subject.intrinsics[view - 1]
    width, height = subject.image_sizes[view].tolist()
    return ViewCamera(
        np.broadcast_to(pose[:3, :3], (num_frames, 3, 3)),
        np.broadcast_to(pose[:3, 3], (num_frames, 3)),
        intrinsics[[0, 1], [0, 1]],
        intrinsics[:2, 2],
        (width, height),
        Path.read_bytes,
    )


def ego_camera(subject: ArcticSubject, ego: EgoCamera, *, scale: float) -> ViewCamera:
    """Return the pinhole camera into which images of the head-mounted one are turned.

    Args:
        scale: side of the images as stored over that of the originals.
    """
    width, height = (int(side * scale) for side in subject.image_sizes[EGO_VIEW].tolist())
    intrinsics = ego.intrinsics.copy()
    intrinsics[:2] *= scale
    intrinsics[:2, 2] += (scale - 1) / 2  # a resize maps x to scale * (x + 0.5) - 0.5
    undistortion = Undistortion(intrinsics, distortion=ego.distortion, size=(width, height))
    return ViewCamera(
        ego.rotation,
        ego.translation,
        intrinsics[[0, 1], [0, 1]],
        intrinsics[:2, 2],
        (width, height),
        undistortion.read,
    )
