"""Draw hands into the crops that a network sees: annotation beside prediction."""

from typing import NamedTuple

import numpy as np
from torch import Tensor

from handvit.visualization.draw import draw_labels, draw_skeleton, tile_images
from handvit.visualization.draw_mesh import draw_mesh

_MILLIMETRES = 1000


class CropCamera(NamedTuple):
    """Hold the intrinsics of a crop."""

    focal: np.ndarray  # (2,) px
    princpt: np.ndarray  # (2,) px


class DrawnHand(NamedTuple):
    """Hold one hand in the camera of its crop; what is not known is None."""

    camera: CropCamera
    keypoints_crop: np.ndarray  # (21, 2) px
    valid: np.ndarray  # (21,) bool
    keypoints_cam: np.ndarray | None  # (21, 3) metres
    vertices_cam: np.ndarray | None  # (778, 3) metres


def to_picture(crop: Tensor, mean: Tensor, std: Tensor) -> np.ndarray:
    """Undo the normalisation of a crop, (3, S, S) -> (S, S, 3) uint8 RGB."""
    pixels = (crop.float() * std + mean).clamp(0, 1) * 255
    return pixels.round().byte().permute(1, 2, 0).cpu().numpy()


def draw_hand_in_crop(
    picture: np.ndarray, hand: DrawnHand, *, faces: np.ndarray, title: list[str]
) -> np.ndarray:
    """Draw the skeleton, and the mesh beside it, (S, 2 S, 3) uint8 RGB.

    Args:
        picture: (S, S, 3) uint8 RGB.
        faces: (F, 3).
        title: lines that say what the hand is.
    """
    skeleton = draw_labels(draw_skeleton(picture, hand.keypoints_crop, hand.valid), title)
    mesh = picture
    if hand.vertices_cam is not None:
        mesh = draw_mesh(picture, hand.vertices_cam, faces=faces, **hand.camera._asdict())
    return np.concatenate([skeleton, mesh], axis=1)


def draw_pair(
    picture: np.ndarray, truth: DrawnHand, prediction: DrawnHand, *, faces: np.ndarray, name: str
) -> np.ndarray:
    """Draw annotation and prediction side by side, under the sample's name, (S + ..., 4 S, 3)."""
    panels = [
        draw_hand_in_crop(picture, truth, faces=faces, title=["annotation"]),
        draw_hand_in_crop(picture, prediction, faces=faces, title=_caption(truth, prediction)),
    ]
    row = np.concatenate(panels, axis=1)
    strip = np.zeros((max(20, picture.shape[0] // 10), row.shape[1], 3), np.uint8)
    return np.concatenate([draw_labels(strip, [name]), row])


def stack_rows(rows: list[np.ndarray]) -> np.ndarray:
    """Put rows of pictures below each other."""
    return tile_images(rows, columns=1)


def _caption(truth: DrawnHand, prediction: DrawnHand) -> list[str]:
    if truth.keypoints_cam is None:
        return ["prediction"]
    offset = prediction.keypoints_cam - truth.keypoints_cam
    error = np.linalg.norm(offset[truth.valid], axis=-1).mean() * _MILLIMETRES
    return [f"{error:.0f} mm", f"z {offset[0, 2] * _MILLIMETRES:+.0f}"]
