import numpy as np
import pytest

from handvit.visualization.zoom import move_points, zoom_to_box


def test_pixels_and_points_move_together():
    image = np.zeros((100, 140, 3), dtype=np.uint8)
    image[38:43, 88:93] = 255  # a blob centred at pixel (90, 40)
    picture, homography = zoom_to_box(image, np.array([75.0, 30.0, 107.0, 62.0]), size=128)
    blob = np.argwhere(picture[..., 0] > 127).mean(axis=0)[::-1]
    assert np.abs(move_points(homography, np.array([[90.0, 40.0]]))[0] - blob).max() < 0.6


def test_points_by_hand():
    """A box of 32 px, doubled, becomes 128 px: scale 2, edges to edges."""
    box = np.array([10.0, 20.0, 42.0, 52.0])
    _, homography = zoom_to_box(np.zeros((80, 80, 3), np.uint8), box, size=128, expand=2.0)
    moved = move_points(homography, np.array([[-6.0, 4.0], [58.0, 68.0]]))
    assert moved == pytest.approx(np.array([[-0.5, -0.5], [127.5, 127.5]]))


def test_long_boxes_become_squares():
    picture, homography = zoom_to_box(
        np.full((50, 200, 3), 9, np.uint8), np.array([20.0, 20, 180, 30]), size=64
    )
    assert picture.shape == (64, 64, 3)
    assert homography[0, 0] == pytest.approx(homography[1, 1])
    assert (picture[0] == 0).all()  # outside of the image


def test_images_out_of_tensors_are_accepted():
    image = np.random.default_rng(0).integers(0, 256, (3, 50, 60), np.uint8)
    turned = np.transpose(image, (1, 2, 0))
    box = np.array([10.0, 10, 40, 40])
    picture, _ = zoom_to_box(turned, box, size=32)
    assert (picture == zoom_to_box(turned.copy(), box, size=32)[0]).all()
