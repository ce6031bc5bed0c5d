"""Turn a rendered hand into the file a camera would have written."""

from functools import cache

import cv2
import numpy as np

from handvit.datasets.synthetic.appearance import Look
from handvit.datasets.synthetic.background import paint_background

JPEG_QUALITY = 90
_MAX_BACKDROP = 768  # px
_MIN_BLUR = 0.25  # px: less changes nothing


class Backdrop:
    """Hold a still background that the crops of a track move over.

    Args:
        crop_bbox_xyxy: (T, 4) px of the full frame, square.
        size: side of the stored images, px.
    """

    def __init__(self, rng: np.random.Generator, crop_bbox_xyxy: np.ndarray, size: int) -> None:
        low, high = crop_bbox_xyxy[:, :2].min(0), crop_bbox_xyxy[:, 2:].max(0)
        side = crop_bbox_xyxy[:, 2] - crop_bbox_xyxy[:, 0]  # (T,)
        extent = (high - low).max()
        canvas_size = min(round(size * extent / side.min()), max(size, _MAX_BACKDROP))
        self._canvas = paint_background(rng, canvas_size)
        self._size = size
        self._low, self._scale = low, canvas_size / extent

    def crop(self, crop_bbox_xyxy: np.ndarray) -> np.ndarray:
        """Cut a crop (4,) px out, (size, size, 3) uint8."""
        scale = self._scale * (crop_bbox_xyxy[2] - crop_bbox_xyxy[0]) / self._size
        shift = (crop_bbox_xyxy[:2] - self._low) * self._scale + (scale - 1) / 2
        to_canvas = np.array([[scale, 0, shift[0]], [0, scale, shift[1]]])
        return cv2.warpAffine(
            self._canvas,
            to_canvas,
            (self._size, self._size),
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_REPLICATE,
        )


def take_picture(
    rng: np.random.Generator, rgba: np.ndarray, background: np.ndarray, look: Look
) -> bytes:
    """Put a hand before its background, blur, add noise, and encode as JPEG.

    Args:
        rgba: (S, S, 4) float32, linear light times coverage, and coverage.
        background: (S, S, 3) uint8 RGB as displayed.
    """
    size = len(rgba)
    behind = np.square(background * np.float32(1 / 255)) * (1 - rgba[..., 3:])
    picture = np.sqrt(rgba[..., :3] + behind) * 255
    if look.blur > _MIN_BLUR:
        picture = cv2.GaussianBlur(picture, (0, 0), look.blur)
    y, x = rng.integers(0, size, 2)
    picture += np.float32(look.noise) * _noise(size)[y : y + size, x : x + size]
    pixels = np.clip(picture + 0.5, 0, 255).astype(np.uint8)
    quality = [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY]
    return cv2.imencode(".jpg", cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR), quality)[1].tobytes()


@cache
def _noise(size: int) -> np.ndarray:
    """Return a tile of white noise, (2 size, 2 size, 3); drawing it anew costs a millisecond."""
    return np.random.default_rng(0).standard_normal((2 * size, 2 * size, 3), dtype=np.float32)
