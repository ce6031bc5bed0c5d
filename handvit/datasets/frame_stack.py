"""Put the frames of a batch side by side in memory as they are decoded."""

from collections.abc import Sequence

import numpy as np

from handvit.datasets.batch_transfer import batch_buffer


class LooseFrames:
    """Leave each frame where it was decoded: for a clip that is read alone."""

    def put(self, number: int, image: np.ndarray) -> np.ndarray:
        """Return the image."""
        return image


class FrameStack:
    """Take each frame where the batch will have it, while it is still in the processor's cache.

    The first frame sets the size; frames of another size stay where they are until ``complete``.

    Args:
        num_frames: of all clips of the batch together.
    """

    def __init__(self, num_frames: int) -> None:
        self._num_frames = num_frames
        self._pixels = np.empty((num_frames, 0, 0, 3), np.uint8)
        self._placed: list[np.ndarray | None] = [None] * num_frames

    def put(self, number: int, image: np.ndarray) -> np.ndarray:
        """Return an image (H, W, 3) at the place of a frame of the batch, if it fits there."""
        if not self._pixels.size:
            self._pixels = self._empty(image.shape)
        if image.shape != self._pixels.shape[1:]:
            return image
        placed = self._placed[number] = self._pixels[number]
        placed[:] = image
        return placed

    def complete(self, images: Sequence[np.ndarray]) -> np.ndarray:
        """Return all frames, padded with zeros to the largest, (num_frames, H, W, 3) uint8."""
        shape = tuple(map(max, zip(*(image.shape for image in images), strict=True)))
        is_padded = self._pixels.shape[1:] != shape
        pixels = self._empty(shape) if is_padded else self._pixels
        for image, placed, frame in zip(images, self._placed, pixels, strict=True):
            if is_padded or image is not placed:
                height, width, _ = image.shape
                frame[:height, :width] = image
                frame[height:], frame[:height, width:] = 0, 0
        return pixels

    def _empty(self, shape: Sequence[int]) -> np.ndarray:
        size = (self._num_frames, *shape)
        return batch_buffer(int(np.prod(size))).reshape(size)
