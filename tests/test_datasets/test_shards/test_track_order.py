import numpy as np
import pytest

from handvit.datasets.shards.track_order import NO_ROW, sort_tracks


def test_hand_made_order():
    track = np.array([1, 0, 1, 0])
    frame_time = np.array([0.2, 0.0, 0.1, 0.5])
    order = sort_tracks(track, frame_time)
    assert order.row_at.tolist() == [1, 3, 2, 0]
    assert order.position_of.tolist() == [3, 0, 2, 1]
    assert order.row_at.dtype == order.position_of.dtype == np.int32
    assert order.ambiguous_row == NO_ROW


def test_the_two_directions_are_inverse():
    rng = np.random.default_rng(0)
    track, frame_time = rng.integers(0, 9, 200), rng.random(200)
    order = sort_tracks(track, frame_time)
    assert (order.row_at[order.position_of] == np.arange(200)).all()
    assert sorted(zip(track, frame_time, strict=True)) == list(
        zip(track[order.row_at], frame_time[order.row_at], strict=True)
    )


@pytest.mark.parametrize(
    ("track", "ambiguous"), [([0, 1, 0, 1], {NO_ROW}), ([0, 1, 1, 1], {2, 3}), ([0], {NO_ROW})]
)
def test_frames_at_one_time_are_reported(track, ambiguous):
    times = np.array([0.0, 0.0, 0.5, 0.5])[: len(track)]
    assert sort_tracks(np.array(track), times).ambiguous_row in ambiguous
