import numpy as np
import pytest

from handvit.datasets.clip_index import ClipIndex
from handvit.datasets.shards.dataset_index import DatasetIndex
from handvit.datasets.shards.dataset_info import ShardEntry
from handvit.datasets.shards.shard_index import INDEX_DTYPE, ShardIndex


def _clips(track, frame_time, max_frame_gap):
    rows = np.zeros(len(track), INDEX_DTYPE)
    rows["track"], rows["frame_time"] = track, frame_time
    names = np.array([f"{number}" for number in range(max(track) + 1)], np.bytes_)
    shard = ShardEntry("shard-000000.tar", len(rows), 512)
    index = DatasetIndex.merge([shard], [ShardIndex(rows, names, 512)])
    return ClipIndex(index, max_frame_gap=max_frame_gap)


# Two tracks with their rows mixed up: track 0 is rows 4, 0, 2, 5 in time, with a gap before row 5.
TRACK = np.array([0, 1, 0, 1, 0, 0])
TIME = np.array([0.1, 0.0, 0.2, 0.1, 0.0, 1.0])
CLIPS = _clips(TRACK, TIME, 0.5)


@pytest.mark.parametrize(
    ("last_row", "length", "stride", "rows", "valid"),
    [
        (2, 1, 1, [2], [1]),
        (2, 3, 1, [4, 0, 2], [1, 1, 1]),
        (2, 2, 2, [4, 2], [1, 1]),
        (0, 3, 1, [4, 4, 0], [0, 1, 1]),  # the track starts in the clip
        (2, 3, 2, [4, 4, 2], [0, 1, 1]),
        (0, 2, 2, [0, 0], [0, 1]),
        (5, 3, 1, [5, 5, 5], [0, 0, 1]),  # a gap of 0.8 s cuts the track
        (1, 2, 1, [1, 1], [0, 1]),  # sorted right behind the end of track 0
        (3, 3, 1, [1, 1, 3], [0, 1, 1]),
    ],
)
def test_hand_made_clips(last_row, length, stride, rows, valid):
    actual_rows, actual_valid = CLIPS.clip(last_row, length, stride)
    assert actual_rows.tolist() == rows
    assert actual_valid.tolist() == [bool(flag) for flag in valid]


def test_gap_is_between_stored_frames_so_stride_does_not_matter():
    times = np.arange(5) * 0.4
    clips = _clips(np.zeros(5, int), times, 0.5)
    rows, valid = clips.clip(4, 3, 2)
    assert rows.tolist() == [0, 2, 4] and valid.all()


def test_agrees_with_a_plain_search():
    rng = np.random.default_rng(0)
    track, time = rng.integers(0, 4, 60), rng.permutation(60) / 10
    clips = _clips(track, time, 0.7)
    for row in range(60):
        before = np.flatnonzero((track == track[row]) & (time <= time[row]))
        history = before[np.argsort(-time[before])]  # latest first
        cut = np.flatnonzero(-np.diff(time[history]) > 0.7)
        run = history[: cut[0] + 1] if len(cut) else history
        expected = run[::2][:3][::-1].tolist()
        rows, valid = clips.clip(row, 3, 2)
        assert rows.tolist() == expected[:1] * (3 - len(expected)) + expected
        assert valid.sum() == len(expected) and valid[-1]
