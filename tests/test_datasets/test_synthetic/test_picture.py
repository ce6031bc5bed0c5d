import cv2
import numpy as np
import pytest

from handvit.datasets.synthetic.picture import Backdrop, take_picture


def _rng():
    return np.random.default_rng(0)


def _clean(takes):
    return takes[0].look._replace(blur=0.0, noise=0.0)


def _decode(picture):
    return cv2.cvtColor(cv2.imdecode(np.frombuffer(picture, np.uint8), 1), cv2.COLOR_BGR2RGB)


def test_a_crop_of_all_is_the_canvas():
    box = np.array([[100.0, 50, 180, 130]])
    backdrop = Backdrop(_rng(), box, 40)
    np.testing.assert_array_equal(backdrop.crop(box[0]), backdrop._canvas)


def test_background_stands_still_while_the_crop_moves():
    """Shifting the crop by five stored pixels shifts the picture by five the other way."""
    boxes = np.array([[0.0, 0, 80, 80], [10.0, 0, 90, 80]])  # a stored pixel is 2 px
    backdrop = Backdrop(_rng(), boxes, 40)
    first, second = (backdrop.crop(box).astype(float) for box in boxes)
    error = abs(first[:, 5:] - second[:, :-5]).mean()
    assert error < 0.3 * abs(first - second).mean() and error < 2


def test_zoomed_crop_hits_the_right_pixels():
    """A ramp tells where a pixel looks: x -> s (x + 0.5) - 0.5, like any resize."""
    boxes = np.array([[0.0, 0, 80, 80], [20.0, 40, 60, 80]])
    backdrop = Backdrop(_rng(), boxes, 40)
    ramp = np.arange(len(backdrop._canvas))
    assert len(ramp) == 80
    backdrop._canvas = np.tile(3 * ramp[:, None], (80, 1, 3)).astype(np.uint8)  # along x
    np.testing.assert_allclose(backdrop.crop(boxes[1])[5, :, 0], 3 * (np.arange(40) + 20), atol=1)
    coarse = backdrop.crop(boxes[0])[5, :, 0]
    np.testing.assert_allclose(coarse, 3 * (2 * (np.arange(40) + 0.5) - 0.5), atol=1)


def test_backdrop_of_a_long_way_stays_small():
    boxes = np.array([[0.0, 0, 80, 80], [5000.0, 0, 5080, 80]])
    backdrop = Backdrop(_rng(), boxes, 40)
    assert len(backdrop._canvas) == 768
    assert backdrop.crop(boxes[1]).shape == (40, 40, 3)


def test_uncovered_pixels_show_the_background(takes):
    rgba = np.zeros((40, 40, 4), np.float32)
    background = np.full((40, 40, 3), (200, 100, 50), np.uint8)
    picture = _decode(take_picture(_rng(), rgba, background, _clean(takes)))
    assert abs(picture.astype(int) - background).max() <= 3


@pytest.mark.parametrize("coverage", [1.0, 0.5])
def test_light_adds_up_linearly(takes, coverage):
    """Pictures show the square root of light."""
    light = 0.64 * coverage
    rgba = np.full((40, 40, 4), light, np.float32)
    rgba[..., 3] = coverage
    picture = _decode(take_picture(_rng(), rgba, np.full((40, 40, 3), 51, np.uint8), _clean(takes)))
    expected = 255 * np.sqrt(light + (1 - coverage) * 0.2**2)
    np.testing.assert_allclose(picture, expected, atol=3)


def test_noise_and_blur(takes):
    rgba = np.zeros((64, 64, 4), np.float32)
    background = np.full((64, 64, 3), 128, np.uint8)
    noisy = _decode(take_picture(_rng(), rgba, background, _clean(takes)._replace(noise=5.0)))
    assert 2.5 < noisy.std() < 6
    background[:, 32:] = 0
    sharp = _decode(take_picture(_rng(), rgba, background, _clean(takes)))
    soft = _decode(take_picture(_rng(), rgba, background, _clean(takes)._replace(blur=0.8)))
    assert soft[30, 32, 0] > sharp[30, 32, 0] + 10
