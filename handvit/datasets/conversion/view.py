"""Cut out of a raw image what is stored with a hand: a square crop, or all of it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple

import cv2
import numpy as np

from handvit.datasets.conversion.converter import RawFrame, Rejection
from handvit.datasets.shards.image_codec import decode_pixels, image_extension
from handvit.structures import HandSample

NO_IMAGE = "image is missing"
BAD_IMAGE = "image is not readable"
OTHER_SIZE = "image has another size than its labels say"
OUTSIDE = "hand lies outside the image"
TOO_LARGE = "hand is much larger than the image"
BAD_LABELS = "labels break the contract"
_LARGEST_BOX = 4  # times the longer side of the image


class RawImage(NamedTuple):
    """Hold an image as stored and as pixels."""

    encoded: bytes
    pixels: np.ndarray  # (H, W, 3) uint8 RGB

    @property
    def size(self) -> tuple[int, int]:
        """Width and height, px."""
        return self.pixels.shape[1], self.pixels.shape[0]


@dataclass(frozen=True)
class CropView:
    """Store a square around each hand, shrunk to a side of at most ``image_size`` px.

    Edges lie between pixels and the square is resized by areas, so nothing is blurred twice and
    nothing aliases; what lies outside the image is black.

    Args:
        image_size: largest side of what is stored, px. Smaller squares are not enlarged.
        context: side of the square over the longer side of the tight hand box.
        quality: of the JPEG.
    """

    image_size: int = 384
    context: float = 2.5
    quality: int = 95

    def __post_init__(self) -> None:
        """Refuse settings that would lose the hand."""
        if not 32 <= self.image_size <= 4096:
            raise ValueError(f"image_size: {self.image_size} must be in [32, 4096] px")
        if not 1 <= self.context <= 20:
            raise ValueError(f"context: {self.context} must be in [1, 20] hand boxes")

    def store(self, frame: RawFrame) -> Iterator[HandSample | Rejection]:
        """Read the image once and yield a crop for each hand."""
        return _finish_hands(frame, self._cut)

    def _cut(self, hand: HandSample, image: RawImage) -> HandSample:
        corner, side = square_around(hand.bbox_xyxy, self.context)
        size = min(side, self.image_size)
        crop = cv2.resize(
            cut_square(image.pixels, corner, side), (size, size), interpolation=cv2.INTER_AREA
        )
        parameters = [cv2.IMWRITE_JPEG_QUALITY, self.quality]
        encoded = cv2.imencode(".jpg", cv2.cvtColor(crop, cv2.COLOR_RGB2BGR), parameters)[1]
        moved = move_labels(hand, corner, scale=size / side)
        edges = [*(corner - 0.5), *(corner + side - 0.5)]
        extra = {
            **hand.extra,
            "frame_size": list(image.size),
            "crop_bbox_xyxy": [float(edge) for edge in edges],
        }
        return replace(moved, image=encoded.tobytes(), image_size=(size, size), extra=extra)


@dataclass(frozen=True)
class FullFrameView:
    """Store the image as it is, byte for byte, with each hand in it."""

    def store(self, frame: RawFrame) -> Iterator[HandSample | Rejection]:
        """Read the image once and yield it with each hand."""
        return _finish_hands(
            frame,
            lambda hand, image: replace(hand, image=image.encoded, image_size=image.size),
        )


def read_image(frame: RawFrame) -> RawImage | Rejection:
    """Read and decode an image, or say why that is not possible."""
    try:
        encoded = frame.read()
    except OSError as error:
        return Rejection(NO_IMAGE, f"{frame.where}: {error.strerror or error}")
    try:
        image_extension(encoded)
        return RawImage(encoded, decode_pixels(encoded))
    except ValueError as error:
        return Rejection(BAD_IMAGE, f"{frame.where}: {error}")


def check_hand(hand: HandSample, frame: RawFrame, size: tuple[int, int]) -> Rejection | None:
    """Return why a hand cannot be stored with an image of this (width, height)."""
    labels = checked(hand)
    if isinstance(labels, Rejection):
        return labels
    where = f"{frame.where}: {hand.sample_id}"
    if tuple(hand.image_size) not in ((0, 0), size):
        return Rejection(OTHER_SIZE, f"{where}: {size}, labels say {hand.image_size}")
    low, high = hand.bbox_xyxy[:2], hand.bbox_xyxy[2:]
    where = f"{where}: bbox_xyxy {hand.bbox_xyxy.round(1).tolist()}"
    if (high <= -0.5).any() or (low >= np.array(size) - 0.5).any():
        return Rejection(OUTSIDE, where)
    if (high - low).max() > _LARGEST_BOX * max(size):
        return Rejection(TOO_LARGE, where)
    return None


def checked(sample: HandSample) -> HandSample | Rejection:
    """Return the sample if it keeps the contract, else why it does not."""
    try:
        return sample.validate()
    except ValueError as error:
        return Rejection(
            f"{BAD_LABELS}: {str(error).split(':')[0]}", f"{sample.sample_id}: {error}"
        )


def square_around(bbox_xyxy: np.ndarray, context: float) -> tuple[np.ndarray, int]:
    """Return first pixel (2,) and side of the square of whole pixels around a box."""
    side = int(np.ceil((bbox_xyxy[2:] - bbox_xyxy[:2]).max() * context))
    center = (bbox_xyxy[:2] + bbox_xyxy[2:]) / 2
    return np.round(center - (side - 1) / 2).astype(int), side


def cut_square(pixels: np.ndarray, corner: np.ndarray, side: int) -> np.ndarray:
    """Return the square of pixels that begins at ``corner``, black outside the image."""
    square = np.zeros((side, side, 3), np.uint8)
    low = np.maximum(corner, 0)
    high = np.minimum(corner + side, (pixels.shape[1], pixels.shape[0]))
    (x0, y0), (x1, y1) = low - corner, high - corner
    square[y0:y1, x0:x1] = pixels[low[1] : high[1], low[0] : high[0]]
    return square


def move_labels(hand: HandSample, corner: np.ndarray, *, scale: float) -> HandSample:
    """Return the labels in the pixels of a crop that begins at ``corner`` and was resized.

    A pixel x becomes ``scale * (x - corner + 0.5) - 0.5``.
    """

    def move(points: np.ndarray) -> np.ndarray:
        return scale * (points - corner + 0.5) - 0.5

    valid = hand.keypoints_img_valid[:, None]
    return replace(
        hand,
        bbox_xyxy=move(hand.bbox_xyxy.reshape(2, 2)).reshape(4),
        focal=hand.focal * scale,
        princpt=move(hand.princpt),
        keypoints_img=np.where(valid, move(hand.keypoints_img), 0.0),
    )


def _finish_hands(
    frame: RawFrame, finish: Callable[[HandSample, RawImage], HandSample]
) -> Iterator[HandSample | Rejection]:
    """Read an image and give it to each of its hands that can be stored."""
    image = read_image(frame)
    if isinstance(image, Rejection):
        yield image
        return
    for hand in frame.hands:
        yield check_hand(hand, frame, image.size) or finish(hand, image)
