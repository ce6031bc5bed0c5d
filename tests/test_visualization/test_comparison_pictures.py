import numpy as np

from handvit.visualization.comparison_pictures import (
    ANNOTATION,
    draw_comparison,
    spread_choice,
)


def test_panels_stand_side_by_side():
    rng = np.random.default_rng(0)
    hand = np.array([0.0, 0.0, 0.5]) + rng.uniform(-0.05, 0.05, (21, 3))
    image = np.full((96, 128, 3), 100, dtype=np.uint8)
    camera = (np.array([200.0, 200.0]), np.array([63.5, 47.5]))
    box = np.array([40.0, 25.0, 88.0, 72.0])
    arguments = {"camera": camera, "bbox_xyxy": box, "size": 96}
    one = draw_comparison(image, {ANNOTATION: hand, "stage1": hand}, **arguments)
    assert one.shape == (96, 4 * 96, 3) and one.dtype == np.uint8
    assert (one[40:, :96] == one[40:, 96:192]).all()  # the same hand, below the captions
    other = draw_comparison(image, {ANNOTATION: hand, "stage1": hand + 0.02}, **arguments)
    assert (one[:, :96] == other[:, :96]).all()
    assert (one[40:, 96:192] != other[40:, 96:192]).any()


def test_choice_runs_from_best_to_worst():
    errors = np.array([5.0, 1.0, 4.0, 2.0, 3.0])
    assert spread_choice(errors, 3).tolist() == [1, 4, 0]
    assert spread_choice(errors, 99).tolist() == [1, 3, 4, 2, 0]
    assert spread_choice(errors, 1).tolist() == [1]
    assert spread_choice(errors[:0], 3).tolist() == []
