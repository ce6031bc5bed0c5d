"""Tell encoded images apart and decode them."""

import cv2
import numpy as np

IMAGE_EXTENSIONS = ("jpg", "jpeg", "png", "webp")
_DECODE_FLAGS = cv2.IMREAD_COLOR_RGB | cv2.IMREAD_IGNORE_ORIENTATION


def image_extension(image: bytes) -> str:
    """Return the customary file extension of encoded image bytes, without a dot.

    Raises:
        ValueError: the bytes are neither JPEG, PNG nor WebP.
    """
    if image.startswith(b"\xff\xd8\xff"):
        return "jpg"
    if image.startswith(b"\x89PNG\r\n\x1a\n"):
        return "png"
    if image.startswith(b"RIFF") and image[8:12] == b"WEBP":
        return "webp"
    raise ValueError(f"image: bytes {image[:12]!r}... are neither JPEG, PNG nor WebP")


def decode_image(image: bytes | memoryview, size: tuple[int, int]) -> np.ndarray:
    """Decode to (H, W, 3) uint8 RGB, the pixels as stored: EXIF rotation is not applied.

    Args:
        size: width and height that the image must have, px.

    Raises:
        ValueError: the bytes do not decode, or to another size.
    """
    pixels = decode_pixels(image)
    height, width = pixels.shape[:2]
    if (width, height) != tuple(size):
        raise ValueError(f"image: decodes to {width} x {height} px, image_size says {size}")
    return pixels


def encoded_size(image: bytes) -> tuple[int, int]:
    """Return width and height in px of an image, and so prove that it decodes.

    Raises:
        ValueError: it does not.
    """
    height, width = decode_pixels(image).shape[:2]
    return width, height


def decode_pixels(image: bytes | memoryview) -> np.ndarray:
    """Decode to (H, W, 3) uint8 RGB of whatever size the image has, the pixels as stored.

    Raises:
        ValueError: the bytes do not decode.
    """
    try:
        pixels = cv2.imdecode(np.frombuffer(image, np.uint8), _DECODE_FLAGS)
    except cv2.error as error:
        raise ValueError(f"image: {len(image)} bytes that do not decode ({error})") from error
    if pixels is None:
        raise ValueError(f"image: {len(image)} bytes that do not decode")
    return pixels
