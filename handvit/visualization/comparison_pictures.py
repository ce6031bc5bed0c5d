"""Draw one hand as several methods see it, beside its annotation."""

from collections.abc import Mapping

import numpy as np
import torch

from handvit.geometry.camera import project
from handvit.visualization.camera_views import draw_camera_views
from handvit.visualization.draw import draw_labels, draw_skeleton
from handvit.visualization.zoom import move_points, zoom_to_box

#: What the annotation is called in pictures.
ANNOTATION = "annotation"


def draw_comparison(
    image: np.ndarray,
    hands: Mapping[str, np.ndarray],
    *,
    camera: tuple[np.ndarray, np.ndarray],
    bbox_xyxy: np.ndarray,
    size: int = 320,
) -> np.ndarray:
    """Draw every skeleton over the stored image around the hand, then all from above and the side.

    Args:
        image: (H, W, 3) uint8 RGB, as stored.
        hands: name -> (21, 3) metres; the one called ``ANNOTATION`` is what errors refer to.
        camera: focal and principal point of the image, (2,) px each.
        bbox_xyxy: (4,) px.
        size: side of each panel in px.

    Returns:
        (size, (len(hands) + 2) * size, 3) uint8 RGB.
    """
    picture, homography = zoom_to_box(image, bbox_xyxy, size=size)
    panels = []
    for name, keypoints_cam in hands.items():
        keypoints_img = project(
            torch.as_tensor(keypoints_cam), *(torch.as_tensor(value) for value in camera)
        )
        drawn = draw_skeleton(picture, move_points(homography, keypoints_img.numpy()))
        panels.append(draw_labels(drawn, _caption(name, keypoints_cam, hands[ANNOTATION])))
    return np.concatenate([*panels, draw_camera_views(hands, size=size)], axis=1)


def spread_choice(errors: np.ndarray, count: int) -> np.ndarray:
    """Choose hands from the best to the worst, at even distances in rank, (N,) -> rows."""
    ranked = np.argsort(errors, kind="stable")
    places = np.linspace(0, len(ranked) - 1, min(count, len(ranked)))
    return ranked[places.round().astype(int)]


def _caption(name: str, hand: np.ndarray, annotation: np.ndarray) -> list[str]:
    if name == ANNOTATION:
        return [name]
    error = np.linalg.norm(hand - annotation, axis=-1).mean() * 1000
    depth = (hand[0, 2] - annotation[0, 2]) * 1000
    return [name, f"{error:.1f} mm, depth {depth:+.1f} mm"]
