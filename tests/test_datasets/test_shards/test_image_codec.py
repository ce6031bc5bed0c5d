import cv2
import numpy as np
import pytest

from handvit.datasets.shards.image_codec import decode_image, encoded_size, image_extension

RED = np.full((8, 12, 3), (255, 0, 0), np.uint8)  # RGB


def _encode(extension):
    return cv2.imencode(f".{extension}", RED[..., ::-1])[1].tobytes()


@pytest.mark.parametrize("extension", ["jpg", "png", "webp"])
def test_formats_are_told_apart_and_decode_to_rgb(extension):
    image = _encode(extension)
    assert image_extension(image) == extension
    assert encoded_size(image) == (12, 8)
    pixels = decode_image(image, (12, 8))
    assert pixels.dtype == np.uint8 and pixels.flags.c_contiguous
    np.testing.assert_allclose(pixels, RED, atol=8)


def test_grey_images_get_three_channels():
    image = cv2.imencode(".png", np.full((4, 5), 7, np.uint8))[1].tobytes()
    np.testing.assert_array_equal(decode_image(image, (5, 4)), np.full((4, 5, 3), 7))


def test_exif_rotation_is_not_applied():
    exif = (
        b"\xff\xe1\x00\x22Exif\x00\x00MM\x00\x2a\x00\x00\x00\x08\x00\x01"
        b"\x01\x12\x00\x03\x00\x00\x00\x01\x00\x06\x00\x00\x00\x00\x00\x00"
    )
    image = _encode("jpg")
    rotated = image[:2] + exif + image[2:]
    assert cv2.imdecode(np.frombuffer(rotated, np.uint8), cv2.IMREAD_COLOR).shape == (12, 8, 3)
    np.testing.assert_array_equal(decode_image(rotated, (12, 8)), decode_image(image, (12, 8)))


@pytest.mark.parametrize("image", [b"", b"GIF89a", _encode("png")[:40], b"\xff\xd8\xff\xe0 cut"])
def test_bytes_that_do_not_decode(image):
    with pytest.raises(ValueError, match="do not decode"):
        decode_image(image, (12, 8))


def test_other_size_than_stated():
    with pytest.raises(ValueError, match=r"12 x 8 px, image_size says \(8, 12\)"):
        decode_image(_encode("jpg"), (8, 12))


def test_other_formats_are_refused():
    with pytest.raises(ValueError, match="neither JPEG, PNG nor WebP"):
        image_extension(b"GIF89a")
