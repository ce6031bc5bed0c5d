import mmap
import os
import pickle
import tracemalloc

import numpy as np
import pytest

from handvit.datasets.clip_index import ClipIndex
from handvit.datasets.shards.dataset_index import INDEX_FILE, DatasetIndex
from handvit.datasets.shards.dataset_info import ShardEntry
from handvit.datasets.shards.shard_index import INDEX_DTYPE, ShardError, ShardIndex
from handvit.datasets.shards.track_order import NO_ROW

SHARDS = (ShardEntry("a.tar", 2, 10), ShardEntry("b.tar", 3, 20))


def _shard_index(tracks, names, tar_bytes):
    rows = np.zeros(len(tracks), INDEX_DTYPE)
    rows["track"] = tracks
    rows["frame_time"] = np.arange(len(tracks)) + tar_bytes
    return ShardIndex(rows, np.array(names, np.bytes_), tar_bytes)


@pytest.fixture
def index():
    first = _shard_index([0, 1], ["long/name", "b"], 10)
    return DatasetIndex.merge(SHARDS, [first, _shard_index([0, 1, 0], ["b", "a"], 20)])


def test_tracks_that_span_shards_are_joined(index):
    names = [index.track_names[track].decode() for track in index.rows["track"]]
    assert names == ["long/name", "b", "b", "a", "b"]
    assert index.shard.tolist() == [0, 0, 1, 1, 1]
    assert index.order.row_at.tolist() == [3, 1, 2, 4, 0]  # a, b, b, b, long/name
    assert index.order.ambiguous_row == NO_ROW
    assert len(index) == len(index.rows) == 5


def test_rows_by_name_and_by_number(index):
    assert index.rows["frame_time"].tolist() == [10, 11, 20, 21, 22]
    assert index.rows[3]["frame_time"] == 21 and index.rows[3].dtype == INDEX_DTYPE
    for key in ([4, 0], np.array([4, 0])):
        assert index.rows[key]["frame_time"].tolist() == [22, 10]
    assert index.rows[index.rows["frame_time"] > 20].shape == (2,)
    assert index.rows[1:3].dtype == INDEX_DTYPE


def test_saved_index_is_mapped(index, tmp_path):
    index.save(tmp_path)
    loaded = DatasetIndex.load(tmp_path, SHARDS)
    assert (loaded.rows[:] == index.rows[:]).all()
    for name in ("shard", "track_names"):
        assert getattr(loaded, name).tolist() == getattr(index, name).tolist()
    for loaded_order, order in zip(loaded.order, index.order, strict=True):
        np.testing.assert_array_equal(loaded_order, order)
    for column in (loaded.rows["track"], loaded.shard, loaded.order.row_at):
        assert isinstance(column.base, mmap.mmap)


def test_pickle_passes_on_the_name_of_the_file(index, tmp_path):
    assert pickle.loads(pickle.dumps(index)).shard.tolist() == index.shard.tolist()
    index.save(tmp_path)
    loaded = DatasetIndex.load(tmp_path, SHARDS)
    pickled = pickle.dumps(loaded)
    assert len(pickled) < 300
    assert isinstance(pickle.loads(pickled).shard.base, mmap.mmap)
    os.utime(tmp_path / INDEX_FILE, (0, 0))
    with pytest.raises(ShardError, match=rf"{INDEX_FILE}: was replaced since"):
        pickle.loads(pickled)


@pytest.mark.parametrize(
    "shards",
    [
        SHARDS[:1],
        SHARDS[::-1],
        (*SHARDS, SHARDS[0]),
        (SHARDS[0]._replace(file="c.tar"), SHARDS[1]),
        (SHARDS[0], SHARDS[1]._replace(num_bytes=21)),
    ],
)
def test_index_of_other_shards(index, tmp_path, shards):
    index.save(tmp_path)
    with pytest.raises(ShardError, match=rf"{INDEX_FILE}: is of other shards; .*build_index.py"):
        DatasetIndex.load(tmp_path, shards)


def test_missing_cut_and_foreign_files(index, tmp_path):
    path, fix = tmp_path / INDEX_FILE, r".*build_index.py"
    with pytest.raises(ShardError, match=rf"{INDEX_FILE}: index is missing{fix}"):
        DatasetIndex.load(tmp_path, SHARDS)
    index.save(tmp_path)
    content = path.read_bytes()
    for damaged in (content[:-30], b"", b"PK"):
        path.write_bytes(damaged)
        with pytest.raises(ShardError, match=rf"{INDEX_FILE}: index is not readable{fix}"):
            DatasetIndex.load(tmp_path, SHARDS)
    np.savez(path, rows=np.zeros(3))
    with pytest.raises(ShardError, match=rf"{INDEX_FILE}: index is not readable{fix}"):
        DatasetIndex.load(tmp_path, SHARDS)


def test_opening_a_large_index_and_reading_clips_allocates_almost_nothing(tmp_path):
    num_rows = 200_000
    rows = np.zeros(num_rows, INDEX_DTYPE)
    rows["track"], frame = np.divmod(np.arange(num_rows), 100)
    rows["frame_time"] = frame / 30
    names = np.array([f"d/s{number}/c/right" for number in range(num_rows // 100)], np.bytes_)
    shards = (ShardEntry("a.tar", num_rows, 10),)
    DatasetIndex.merge(shards, [ShardIndex(rows, names, 10)]).save(tmp_path)
    del rows

    tracemalloc.start()
    index = DatasetIndex.load(tmp_path, shards)
    clips = ClipIndex(index, max_frame_gap=0.5)
    for row in range(0, num_rows, 1000):
        clip, frame_valid = clips.clip(row + 50, 7, 2)
        assert clip.tolist() == list(range(row + 38, row + 51, 2)) and frame_valid.all()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < num_rows // 2, "less than half a byte a row"
