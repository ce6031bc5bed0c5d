import numpy as np
import pytest

from handvit.datasets import HandClipDataset
from handvit.datasets.token_cache.cached_frames import CachedFrames


def clips_of(frames: CachedFrames, length: int, stride: int):
    index = frames.clip_index()
    for last in frames.last.tolist():
        places, valid = index.clip(last, length, stride)
        yield frames.row[places].tolist(), valid.tolist()


@pytest.mark.parametrize(
    "options",
    [
        dict(),
        dict(clip_length=3),
        dict(clip_length=3, stride=2),
        dict(clip_length=7),
        dict(clip_length=4, min_valid_frames=3),
        dict(clip_length=3, indices=[5, 2, 23, 14]),
        dict(clip_length=2, stride=3, indices=4),
        dict(clip_length=3, max_frame_gap=0.01),
    ],
)
def test_clips_are_those_of_the_data_set(shards_root, options):
    dataset = HandClipDataset(shards_root, **options)
    frames = CachedFrames.of(dataset)
    expected = [
        dataset.clip_index.clip(int(row), dataset.clip_length, dataset.stride)
        for row in dataset.rows
    ]
    found = list(clips_of(frames, dataset.clip_length, dataset.stride))
    assert found == [(rows.tolist(), valid.tolist()) for rows, valid in expected]


def test_shorter_clips_can_be_cut_too(shards_root):
    longer = HandClipDataset(shards_root, clip_length=4, stride=2, indices=[11, 17])
    shorter = HandClipDataset(shards_root, clip_length=3, indices=[11, 17])
    frames = CachedFrames.of(longer)
    expected = [shorter.clip_index.clip(int(row), 3, 1) for row in shorter.rows]
    found = list(clips_of(frames, 3, 1))
    assert found == [(rows.tolist(), valid.tolist()) for rows, valid in expected]


def test_only_frames_that_clips_can_have_are_kept(shards_root):
    dataset = HandClipDataset(shards_root, clip_length=3)
    order = dataset.reader.index.order.row_at
    few = HandClipDataset(shards_root, clip_length=3, indices=[int(order[4]), int(order[5])])
    frames = CachedFrames.of(few)
    assert frames.row.tolist() == order[2:6].tolist()
    assert frames.run.tolist() == [0] * 4 and frames.last.tolist() == [2, 3]
    assert CachedFrames.of(dataset).run.tolist() == np.repeat([0, 6, 12, 18], 6).tolist()


def test_separate_stretches_of_a_track_are_runs(shards_root):
    order = HandClipDataset(shards_root).reader.index.order.row_at
    frames = CachedFrames.of(HandClipDataset(shards_root, indices=order[[0, 1, 4, 6]].tolist()))
    assert frames.run.tolist() == [0, 0, 2, 3]


def test_they_come_back_with_their_columns(shards_root, tmp_path):
    frames = CachedFrames.of(HandClipDataset(shards_root, clip_length=3, indices=9))
    frames.save(tmp_path)
    again = CachedFrames.load(tmp_path)
    for name in ("row", "run", "frame_time", "last"):
        assert np.array_equal(getattr(again, name), getattr(frames, name)), name
    assert again.columns.keys() == frames.columns.keys()
    assert np.array_equal(again.columns["root_depth"], frames.columns["root_depth"])
