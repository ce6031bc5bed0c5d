import numpy as np
import pytest

from handvit.datasets import row_selection
from handvit.datasets.hand_clip_dataset import HandClipDataset
from handvit.datasets.row_selection import NoClipError, rows_of


def test_rows_of():
    assert rows_of(None, 4).tolist() == [0, 1, 2, 3]
    assert rows_of(2, 4).tolist() == [0, 1]
    assert rows_of([3, 1], 4).tolist() == [3, 1]
    assert rows_of(None, 10).dtype == np.int32
    with pytest.raises(ValueError, match="indices: values of type bool"):
        rows_of([True, False, True, False], 4)
    for indices in (0, 5, [], [4], [-1]):
        with pytest.raises(ValueError, match=r"indices: .*4 frames"):
            rows_of(indices, 4)


@pytest.mark.parametrize(("clip_length", "stride"), [(2, 1), (3, 1), (6, 1), (3, 2), (2, 5)])
def test_full_clips_hold_real_frames_only(shards_root, clip_length, stride):
    every = HandClipDataset(shards_root, clip_length=clip_length, stride=stride)
    full = HandClipDataset(
        shards_root, clip_length=clip_length, stride=stride, min_valid_frames=clip_length
    )
    expected = [i for i in range(24) if every[i].frame_valid.all()]
    assert 0 < len(expected) < 24
    assert full.columns.tolist() == every.columns[expected].tolist()
    assert all(full[i].frame_valid.all() for i in range(len(full)))


def test_partly_full_clips(shards_root):
    clips = HandClipDataset(shards_root, clip_length=5, min_valid_frames=3)
    assert sorted({int(clips[i].frame_valid.sum()) for i in range(len(clips))}) == [3, 4, 5]
    assert len(clips) == 4 * 4


def test_a_gap_in_time_ends_the_history(shards_root):
    """Frames are 1/30 s apart, so with a smaller gap every frame is a run of its own."""
    with pytest.raises(NoClipError, match=r"tiny: 24 of 24 frames have fewer than 1 .*too short"):
        HandClipDataset(shards_root, clip_length=2, min_valid_frames=2, max_frame_gap=0.02)


def test_how_many_are_left_out_is_logged(shards_root, monkeypatch):
    log = []
    monkeypatch.setattr(row_selection, "print_log", lambda text, **_: log.append(text))
    HandClipDataset(shards_root, clip_length=3, min_valid_frames=3, indices=12)
    assert log == ["tiny: 4 of 12 frames have fewer than 2 frames before them"]


def test_frames_that_the_filter_leaves_out_count_as_history(shards_root):
    dataset = HandClipDataset(shards_root, clip_length=3, min_valid_frames=3, indices=[2, 1, 8])
    assert dataset.column("frame_time").tolist() == [2 / 30, 2 / 30]


@pytest.mark.parametrize("value", [0, 4])
def test_min_valid_frames_fits_the_clip(shards_root, value):
    with pytest.raises(ValueError, match=f"min_valid_frames: {value} must be 1 to clip_length=3"):
        HandClipDataset(shards_root, clip_length=3, min_valid_frames=value)
