import numpy as np
import pytest

from handvit.structures.skeleton import BONES
from handvit.visualization.draw import (
    BONE_COLORS,
    FINGER_COLORS,
    draw_bones,
    draw_labels,
    draw_skeleton,
    skeleton_width,
    text_style,
    tile_images,
)


def blank(height: int = 224, width: int = 224) -> np.ndarray:
    return np.full((height, width, 3), 128, dtype=np.uint8)


def spread_hand(width: float = 160.0) -> np.ndarray:
    """A flat hand: wrist below, five straight fingers side by side."""
    points = [(0.5, 1.0)]
    points += [(finger / 4, 0.7 - 0.2 * joint) for finger in range(5) for joint in range(4)]
    return np.array(points) * width + 30


def changed(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    return (before != after).any(axis=-1)


@pytest.mark.parametrize("size", [(224, 224), (2160, 3840), (60, 40)])
def test_image_keeps_size_and_type_and_is_not_changed(size):
    image = blank(*size)
    drawn = draw_skeleton(image, spread_hand())
    assert drawn.shape == image.shape and drawn.dtype == np.uint8
    assert (image == 128).all()
    assert changed(image, drawn).any()


def test_fingers_have_their_colours():
    hand = spread_hand()
    drawn = draw_skeleton(blank(), hand)
    for (start, end), color in zip(BONES, BONE_COLORS, strict=True):
        if start == 0:
            continue
        column, row = ((hand[start] + hand[end]) / 2).round().astype(int)
        assert np.abs(drawn[row, column].astype(int) - color).max() < 60
    assert [BONE_COLORS[4 * finger] for finger in range(5)] == list(FINGER_COLORS)


def test_pixel_centres_are_at_integers():
    """One bone between integer pixels makes a drawing symmetric about them."""
    hand = np.full((21, 2), 50.0)
    hand[1:5] = [80, 50]
    valid = np.zeros(21, dtype=bool)
    valid[:2] = True
    rows, columns = np.nonzero(
        changed(blank(101, 131), draw_skeleton(blank(101, 131), hand, valid))
    )
    assert rows.min() + rows.max() == 100
    assert columns.min() + columns.max() == 130


def test_invalid_keypoints_and_their_bones_are_hidden():
    hand, valid = spread_hand(), np.ones(21, dtype=bool)
    valid[6] = False
    hand[6] = np.nan
    everything = draw_skeleton(blank(), spread_hand())
    partly = draw_skeleton(blank(), hand, valid)
    column, row = spread_hand()[6].round().astype(int)
    assert (everything[row, column] != 128).any()
    assert (partly[row, column] == 128).all()
    assert not (changed(blank(), partly) & ~changed(blank(), everything)).any()
    assert (draw_skeleton(blank(), hand, np.zeros(21, dtype=bool)) == 128).all()


def test_points_far_outside_do_no_harm():
    hand = spread_hand()
    hand[4], hand[8], hand[12] = [1e12, 50], [-np.inf, 0], [np.nan, 3]
    assert changed(blank(), draw_skeleton(blank(), hand)).any()


def test_lines_grow_with_the_image_but_not_beyond_the_hand():
    small, large = blank(224, 224), blank(2160, 3840)
    assert skeleton_width(small, spread_hand(160)) == 2
    assert skeleton_width(large, spread_hand(1600)) == 20
    assert skeleton_width(large, spread_hand(160)) == 5
    assert skeleton_width(large, spread_hand(10)) == 1


def test_gray_or_strided_input_is_accepted():
    mirrored = blank()[:, ::-1]
    assert draw_skeleton(mirrored, spread_hand()).shape == (224, 224, 3)


def test_bones_are_drawn_in_place():
    image = blank()
    draw_bones(image, spread_hand(), (10, 200, 30), 2)
    assert (image == (10, 200, 30)).all(axis=-1).sum() > 100


def test_labels_stand_in_the_corner():
    image = blank()
    labelled = draw_labels(image, ["stage 1", "12.3 mm"])
    rows, columns = np.nonzero(changed(image, labelled))
    assert rows.min() == 0 and columns.min() == 0
    assert rows.max() < 70 and columns.max() < 150
    assert (labelled > 200).any() and (image == 128).all()


def test_text_grows_with_the_image():
    assert text_style(blank(2160, 3840))[0] > 5 * text_style(blank())[0]
    assert text_style(blank(20, 20))[1] == 1


def test_tiles_are_laid_out_row_by_row():
    images = [np.full((10, 20, 3), value, dtype=np.uint8) for value in (1, 2, 3)]
    images[1] = images[1][:4]
    sheet = tile_images(images, columns=2, gap=2)
    assert sheet.shape == (2 + 12 * 2, 2 + 22 * 2, 3)
    assert (sheet[2:12, 2:22] == 1).all() and (sheet[14:24, 2:22] == 3).all()
    assert (sheet[2:6, 24:44] == 2).all() and (sheet[6:12, 24:44] == 255).all()
    assert tile_images(images[:1], columns=5, gap=0).shape == (10, 20, 3)
    with pytest.raises(ValueError, match="no image"):
        tile_images([], columns=2)
