import numpy as np
import pytest

from handvit.visualization.camera_views import (
    HAND_COLORS,
    View,
    draw_camera_views,
    grid_step,
)


def view(axes, signs) -> View:
    return View(axes=axes, signs=signs, center_cam=np.array([0.1, 0.0, 0.5]), extent=0.2, size=101)


def test_top_view_shows_x_to_the_right_and_depth_upwards():
    top = view((0, 2), (1, -1))
    assert np.allclose(top.to_pixels(np.array([0.1, 7.0, 0.5])), [50, 50])
    right, far = top.to_pixels(np.array([[0.15, 0.0, 0.5], [0.1, 0.0, 0.55]]))
    assert right == pytest.approx([75.25, 50]) and far == pytest.approx([50, 24.75])


def test_side_view_shows_depth_to_the_right_and_y_downwards():
    side = view((2, 1), (1, 1))
    far, low = side.to_pixels(np.array([[0.1, 0.0, 0.55], [7.0, 0.05, 0.5]]))
    assert far == pytest.approx([75.25, 50]) and low == pytest.approx([50, 75.25])


def test_grid_steps_are_round_and_few():
    for extent in (0.12, 0.17, 0.3, 0.8, 2.0):
        assert 2 <= extent / grid_step(extent) <= 9
    assert grid_step(0.25) == 0.05


def test_hands_are_drawn_apart_and_in_their_colours():
    rng = np.random.default_rng(0)
    hand = np.array([0.0, 0.0, 0.6]) + rng.uniform(-0.05, 0.05, (21, 3))
    views = draw_camera_views({"annotation": hand, "model": hand + np.array([0, 0, 0.2])}, size=200)
    assert views.shape == (200, 400, 3) and views.dtype == np.uint8

    def place(color, half) -> np.ndarray:
        return np.argwhere((views[40:, half] == color).all(axis=-1)).mean(axis=0)

    left, right = slice(0, 200), slice(200, 400)
    assert place(HAND_COLORS[1], left)[0] < place(HAND_COLORS[0], left)[0]  # farther is higher
    assert place(HAND_COLORS[1], right)[1] > place(HAND_COLORS[0], right)[1]  # farther is righter


def test_a_point_is_no_problem():
    assert draw_camera_views({"a": np.ones((21, 3))}, size=64).shape == (64, 128, 3)
