"""Look closely at the hand in an image."""

import cv2
import numpy as np
import torch

from handvit.geometry.boxes import square_bbox
from handvit.geometry.image_warp import apply_homography, crop_homography


def zoom_to_box(
    image: np.ndarray, bbox_xyxy: np.ndarray, *, size: int, expand: float = 1.6
) -> tuple[np.ndarray, np.ndarray]:
    """Cut the square around a hand box out of an image and scale it.

    Args:
        image: (H, W, 3) uint8 RGB.
        bbox_xyxy: (4,) px, tight hand box.
        size: side of the result in px.
        expand: side of the square over the longer side of the box.

    Returns:
        (size, size, 3) picture, and the (3, 3) homography that its pixels come by.
    """
    square = square_bbox(torch.as_tensor(bbox_xyxy, dtype=torch.float64), expand)
    homography = crop_homography(square, size).numpy()
    image = np.ascontiguousarray(image)  # a channels-first tensor turned around is not
    picture = cv2.warpPerspective(image, homography, (size, size), flags=cv2.INTER_LINEAR)
    return picture, homography


def move_points(homography: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Move (N, 2) pixels with the picture of ``zoom_to_box``."""
    points = torch.as_tensor(points, dtype=torch.float64)
    return apply_homography(torch.as_tensor(homography), points).numpy()
