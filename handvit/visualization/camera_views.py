"""Draw hands in camera space from above and from the side: an image cannot show depth."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import cycle
from math import ceil, floor

import cv2
import numpy as np

from handvit.visualization.draw import Color, draw_bones, text_style

#: RGB of the hands in a view, in the order given: the annotation first.
HAND_COLORS: tuple[Color, ...] = ((30, 30, 30), (235, 110, 20), (20, 110, 220), (150, 60, 190))
_GRID_STEPS = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)  # metres
_GRID_COLOR: Color = (222, 222, 222)
_TEXT_COLOR: Color = (110, 110, 110)
_FONT = cv2.FONT_HERSHEY_SIMPLEX
_MIN_EXTENT = 0.12  # metres
_MARGIN = 0.15  # share of the picture around the hands, on every side


@dataclass(frozen=True)
class View:
    """Look at camera space along one of its axes; ``axes`` run along columns and rows."""

    axes: tuple[int, int]
    signs: tuple[int, int]  # +1 where the axis points right or down
    center_cam: np.ndarray  # (3,) metres, in the middle of the picture
    extent: float  # metres from edge to edge
    size: int  # px

    def to_pixels(self, points_cam: np.ndarray) -> np.ndarray:
        """Project (..., 3) metres to (..., 2) px, without perspective."""
        offset = (points_cam - self.center_cam)[..., list(self.axes)] * np.array(self.signs)
        return offset * (self.size / self.extent) + (self.size - 1) / 2


def draw_camera_views(hands: Mapping[str, np.ndarray], *, size: int = 384) -> np.ndarray:
    """Draw the top view (x right, depth z up) beside the side view (z right, y down).

    Both show the same cube of space around the hands; numbers at grid lines are millimetres.

    Args:
        hands: name -> (21, 3) metres, camera axes; drawn in the order given.
        size: side of each view in px.

    Returns:
        (size, 2 * size, 3) uint8 RGB.
    """
    points_cam = np.concatenate(list(hands.values()))  # (num_hands * 21, 3)
    low, high = points_cam.min(axis=0), points_cam.max(axis=0)
    extent = max(float((high - low).max()), _MIN_EXTENT) / (1 - 2 * _MARGIN)
    cube = {"center_cam": (low + high) / 2, "extent": extent, "size": size}
    top = _draw_view(View(axes=(0, 2), signs=(1, -1), **cube), hands)
    side = _draw_view(View(axes=(2, 1), signs=(1, 1), **cube), hands)
    _write(top, [("top: x right, z up, mm", _TEXT_COLOR), *zip(hands, cycle(HAND_COLORS))])
    _write(side, [("side: z right, y down, mm", _TEXT_COLOR)])
    side[:, 0] = _TEXT_COLOR
    return np.concatenate([top, side], axis=1)


def grid_step(extent: float) -> float:
    """Choose the distance of grid lines, about five of them in a picture of so many metres."""
    return min(_GRID_STEPS, key=lambda step: abs(extent / step - 5))


def _draw_view(view: View, hands: Mapping[str, np.ndarray]) -> np.ndarray:
    canvas = np.full((view.size, view.size, 3), 255, dtype=np.uint8)
    for direction in (0, 1):
        _draw_grid_lines(canvas, view, direction)
    width = max(1, round(view.size / 150))
    for hand, color in zip(hands.values(), cycle(HAND_COLORS)):
        draw_bones(canvas, view.to_pixels(hand), color, width)
    return canvas


def _draw_grid_lines(canvas: np.ndarray, view: View, direction: int) -> None:
    """Draw lines of constant column (direction 0) or row (1), with their millimetres."""
    axis, step = view.axes[direction], grid_step(view.extent)
    middle, half = view.center_cam[axis], view.extent / 2
    scale, thickness = text_style(canvas)
    for number in range(ceil((middle - half) / step), floor((middle + half) / step) + 1):
        point_cam = view.center_cam.copy()
        point_cam[axis] = number * step
        pixel = min(max(round(float(view.to_pixels(point_cam)[direction])), 0), view.size - 1)
        label = f"{number * step * 1000:.0f}"
        (width, height), _ = cv2.getTextSize(label, _FONT, scale, thickness)
        if direction == 0:
            canvas[:, pixel] = _GRID_COLOR
            corner = (pixel + 2, view.size - 4)
            is_free = pixel + 2 + width <= view.size
        else:
            canvas[pixel] = _GRID_COLOR
            corner = (view.size - width - 3, pixel - 3)  # the legend is on the left
            is_free = height + 3 < pixel < view.size - 2 * height  # numbers at the bottom
        if is_free:
            cv2.putText(canvas, label, corner, _FONT, scale, _TEXT_COLOR, thickness, cv2.LINE_AA)


def _write(canvas: np.ndarray, lines: list[tuple[str, Color]]) -> None:
    scale, thickness = text_style(canvas)
    for row, (text, color) in enumerate(lines):
        corner = (6, round((row + 1) * 36 * scale))
        cv2.putText(canvas, text, corner, _FONT, scale, color, thickness, cv2.LINE_AA)
