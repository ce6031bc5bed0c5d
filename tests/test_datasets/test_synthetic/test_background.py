import numpy as np
import pytest

from handvit.datasets.synthetic.background import paint_background


@pytest.mark.parametrize("size", [32, 160, 333])
def test_size(size):
    canvas = paint_background(np.random.default_rng(0), size)
    assert canvas.shape == (size, size, 3) and canvas.dtype == np.uint8


def test_same_generator_same_picture():
    first, second = (paint_background(np.random.default_rng(4), 64) for _ in range(2))
    np.testing.assert_array_equal(first, second)


def test_backgrounds_vary():
    rng = np.random.default_rng(0)
    canvases = np.stack([paint_background(rng, 48) for _ in range(60)]).astype(float)
    assert canvases.mean((1, 2, 3)).std() > 20  # from one to the next
    assert canvases.std((1, 2)).mean() > 15  # within one
