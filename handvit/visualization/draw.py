"""Draw hands over images, which are (H, W, 3) uint8 RGB.

Pixel centres are at integers, so ``*_img`` coordinates are drawn without any shift.
"""

from collections.abc import Sequence
from math import ceil

import cv2
import numpy as np

from handvit.structures.skeleton import BONES, NUM_KEYPOINTS

Color = tuple[int, int, int]

#: RGB of thumb, index, middle, ring, pinky: the order of the rainbow, as people draw hands.
FINGER_COLORS: tuple[Color, ...] = (
    (235, 64, 52),
    (245, 176, 20),
    (66, 190, 80),
    (36, 132, 240),
    (178, 80, 220),
)
WRIST_COLOR: Color = (240, 240, 240)
OUTLINE: Color = (20, 20, 20)
#: One finger after the other, as long as the fingers in ``BONES``.
BONE_COLORS = tuple(color for color in FINGER_COLORS for _ in range(4))
KEYPOINT_COLORS = (WRIST_COLOR, *BONE_COLORS)

_SUBPIXEL_BITS = 4
_FAR = 1e5  # px: points beyond are as good as any other outside the image
_FONT = cv2.FONT_HERSHEY_SIMPLEX


def draw_skeleton(
    image: np.ndarray, keypoints_img: np.ndarray, valid: np.ndarray | None = None
) -> np.ndarray:
    """Draw bones and keypoints in the colours of their fingers.

    Lines grow with the image and stay slim enough for a small hand in a large image.

    Args:
        keypoints_img: (21, 2) px.
        valid: (21,) bool, all when omitted; a bone needs both of its ends.
    """
    valid = np.ones(NUM_KEYPOINTS, dtype=bool) if valid is None else valid
    image = np.ascontiguousarray(image).copy()
    if not valid.any():
        return image
    width = skeleton_width(image, keypoints_img[valid])
    points = _fixed_point(keypoints_img)
    outline = width + 2 * max(1, round(width / 4))
    bones = [(*bone, color) for bone, color in zip(BONES, BONE_COLORS, strict=True)]
    bones = [bone for bone in bones if valid[bone[0]] and valid[bone[1]]]
    for start, end, _ in bones:
        _line(image, points[start], points[end], OUTLINE, outline)
    for start, end, color in bones:
        _line(image, points[start], points[end], color, width)
    for joint in np.flatnonzero(valid):
        _disc(image, points[joint], OUTLINE, 0.9 * width + outline - width)
        _disc(image, points[joint], KEYPOINT_COLORS[joint], 0.9 * width)
    return image


def skeleton_width(image: np.ndarray, keypoints_img: np.ndarray) -> int:
    """Choose a line width in px from the image's size and the hand's."""
    hand = float(np.ptp(keypoints_img, axis=0).max())
    return max(1, round(min(min(image.shape[:2]) / 110, hand / 30)))


def draw_labels(image: np.ndarray, lines: Sequence[str], color: Color = WRIST_COLOR) -> np.ndarray:
    """Write lines of text into the upper left corner, on a dark ground."""
    image = np.ascontiguousarray(image).copy()
    scale, thickness = text_style(image)
    sizes = [cv2.getTextSize(line, _FONT, scale, thickness) for line in lines]
    step = max(size[1] + base for size, base in sizes) + 2 * thickness
    margin = step // 3
    corner = (max(size[0] for size, _ in sizes) + 2 * margin, step * len(lines) + margin)
    ground = image[: corner[1], : corner[0]]
    ground[:] = ground // 4
    for row, (line, (size, _)) in enumerate(zip(lines, sizes, strict=True)):
        origin = (margin, margin + row * step + size[1])
        cv2.putText(image, line, origin, _FONT, scale, color, thickness, cv2.LINE_AA)
    return image


def text_style(image: np.ndarray) -> tuple[float, int]:
    """Choose a font scale and a stroke width in px that can be read at the image's size."""
    height = max(11.0, 0.032 * min(image.shape[:2]))  # px, of a capital letter and some air
    return height / 28, max(1, round(height / 16))


def tile_images(images: Sequence[np.ndarray], *, columns: int, gap: int = 4) -> np.ndarray:
    """Put images into a grid, row by row, each in the upper left of a cell of the largest size."""
    if not images:
        raise ValueError("tile_images: no image to tile")
    height = max(image.shape[0] for image in images) + gap
    width = max(image.shape[1] for image in images) + gap
    columns = min(columns, len(images))
    rows = ceil(len(images) / columns)
    canvas = np.full((rows * height + gap, columns * width + gap, 3), 255, dtype=np.uint8)
    for number, image in enumerate(images):
        top, left = gap + number // columns * height, gap + number % columns * width
        canvas[top : top + image.shape[0], left : left + image.shape[1]] = image
    return canvas


def draw_bones(image: np.ndarray, keypoints: np.ndarray, color: Color, width: int) -> None:
    """Add a whole hand in one colour, (21, 2) px, to an image in place."""
    points = _fixed_point(keypoints)
    for start, end in BONES:
        _line(image, points[start], points[end], color, width)
    for point in points:
        _disc(image, point, color, 1.1 * width)


def _fixed_point(points: np.ndarray) -> np.ndarray:
    """Convert px to OpenCV's integers with sub-pixel bits."""
    limited = np.nan_to_num(points, nan=-_FAR, posinf=_FAR, neginf=-_FAR).clip(-_FAR, _FAR)
    return np.round(limited * 2**_SUBPIXEL_BITS).astype(np.int32)


def _line(image: np.ndarray, start: np.ndarray, end: np.ndarray, color: Color, width: int) -> None:
    cv2.line(image, start.tolist(), end.tolist(), color, width, cv2.LINE_AA, _SUBPIXEL_BITS)


def _disc(image: np.ndarray, center: np.ndarray, color: Color, radius: float) -> None:
    fixed_radius = round(radius * 2**_SUBPIXEL_BITS)
    cv2.circle(image, center.tolist(), fixed_radius, color, -1, cv2.LINE_AA, _SUBPIXEL_BITS)
