"""Draw samples with everything that their labels claim, for people to look at."""

import cv2
import numpy as np
import torch

from handvit.datasets.shards.image_codec import decode_image
from handvit.geometry.camera import project
from handvit.structures import HandSample
from handvit.structures.skeleton import WRIST
from handvit.visualization import draw_labels, draw_skeleton, move_points, zoom_to_box
from handvit.visualization.draw import Color, draw_bones, skeleton_width

#: RGB of the projected 3D keypoints, below the coloured 2D ones: seen only where they differ.
PROJECTION_COLOR: Color = (255, 255, 255)
BOX_COLOR: Color = (90, 200, 255)
_EXPAND = 1.7
_GRAY = 128


def draw_sample(sample: HandSample, *, size: int) -> np.ndarray:
    """Draw box, projected 3D keypoints (white) and 2D keypoints of one hand.

    An image that does not decode is drawn as a gray one.

    Returns:
        (size, size, 3) uint8 RGB.
    """
    image = _decode(sample)
    picture, homography = zoom_to_box(image, sample.bbox_xyxy, size=size, expand=_EXPAND)
    corners = move_points(homography, sample.bbox_xyxy.reshape(2, 2)).round().astype(int).tolist()
    cv2.rectangle(picture, corners[0], corners[1], BOX_COLOR, 1)
    keypoints_img = move_points(homography, sample.keypoints_img)
    if sample.camera_valid and sample.keypoints_cam_valid.all():
        projected = move_points(homography, _project(sample))
        draw_bones(picture, projected, PROJECTION_COLOR, 1 + skeleton_width(picture, projected))
    picture = draw_skeleton(picture, keypoints_img, sample.keypoints_img_valid)
    return draw_labels(picture, _caption(sample))


def _decode(sample: HandSample) -> np.ndarray:
    try:
        return decode_image(sample.image, sample.image_size)
    except ValueError:  # check_records reports it
        width, height = sample.image_size
        return np.full((height, width, 3), _GRAY, np.uint8)


def _project(sample: HandSample) -> np.ndarray:
    camera = torch.from_numpy(sample.focal), torch.from_numpy(sample.princpt)
    return project(torch.from_numpy(sample.keypoints_cam), *camera).numpy()


def _caption(sample: HandSample) -> list[str]:
    """Name the hand, and how far away it is where that is known."""
    _, sequence, camera, frame, side = sample.sample_id.split("/")
    depth = f", z {sample.keypoints_cam[WRIST, 2]:.3f} m"
    return [f"{sequence}/{camera}/{frame}", side + depth * bool(sample.keypoints_cam_valid[WRIST])]
