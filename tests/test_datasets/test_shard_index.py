import numpy as np
import pytest

from handvit.datasets.shard_index import INDEX_DTYPE, ShardError, ShardIndex, index_path


def _index(tracks, names, tar_bytes=1024):
    rows = np.zeros(len(tracks), INDEX_DTYPE)
    rows["track"] = tracks
    rows["root_depth"] = np.nan
    return ShardIndex.of_shard(rows, np.array(names, np.bytes_), tar_bytes)


def test_round_trip_without_pickle(tmp_path):
    tar = tmp_path / "shard-000000.tar"
    index = _index([0, 1, 1], ["a/b/c/left", "a/b/c/right"], 4096)
    index.save(tar)
    assert index_path(tar).name == "shard-000000.index.npz"
    loaded = ShardIndex.load(tar)
    assert loaded.rows.tobytes() == index.rows.tobytes()
    np.testing.assert_array_equal(loaded.track_names, index.track_names)
    assert loaded.tar_bytes.tolist() == [4096]


def test_concatenation_joins_tracks_that_span_shards():
    whole = ShardIndex.concatenate(
        [_index([0, 1], ["long/name", "b"], 10), _index([0, 1, 0], ["b", "a"], 20)]
    )
    names = [whole.track_names[track].decode() for track in whole.rows["track"]]
    assert names == ["long/name", "b", "b", "a", "b"]
    assert whole.shard.tolist() == [0, 0, 1, 1, 1]
    assert whole.tar_bytes.tolist() == [10, 20]


def test_missing_broken_and_foreign_indexes_name_the_file_and_the_fix(tmp_path):
    tar = tmp_path / "shard-000003.tar"
    fix = r"shard-000003.index.npz: .*build_index.py"
    with pytest.raises(ShardError, match=fix):
        ShardIndex.load(tar)
    index_path(tar).write_bytes(b"PK\x03\x04 cut")
    with pytest.raises(ShardError, match=fix):
        ShardIndex.load(tar)
    np.savez(index_path(tar), rows=np.zeros(3))
    with pytest.raises(ShardError, match=fix):
        ShardIndex.load(tar)
    np.savez(index_path(tar), rows=np.zeros(3), track_names=np.array([b"a"]), tar_bytes=[1])
    with pytest.raises(ShardError, match="another version"):
        ShardIndex.load(tar)
    np.savez(index_path(tar), rows=np.array([{}]), track_names=np.array([b"a"]), tar_bytes=[1])
    with pytest.raises(ShardError, match="allow_pickle=False"):
        ShardIndex.load(tar)
