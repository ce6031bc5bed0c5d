import numpy as np
import pytest

from handvit.datasets.shards.shard_index import INDEX_DTYPE, ShardError, ShardIndex, index_path


def _index(tracks, names, tar_bytes):
    rows = np.zeros(len(tracks), INDEX_DTYPE)
    rows["track"] = tracks
    rows["root_depth"] = np.nan
    return ShardIndex(rows, np.array(names, np.bytes_), tar_bytes)


def test_round_trip_without_pickle(tmp_path):
    tar = tmp_path / "shard-000000.tar"
    index = _index([0, 1, 1], ["a/b/c/left", "a/b/c/right"], 4096)
    index.save(tar)
    assert index_path(tar).name == "shard-000000.index.npz"
    loaded = ShardIndex.load(tar)
    assert loaded.rows.tobytes() == index.rows.tobytes()
    np.testing.assert_array_equal(loaded.track_names, index.track_names)
    assert loaded.tar_bytes == 4096


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


def test_index_of_another_tar(tmp_path):
    tar = tmp_path / "s.tar"
    tar.write_bytes(bytes(1024))
    _index([0], ["a"], 1024).save(tar)
    ShardIndex.load_checked(tar)
    _index([0], ["a"], 1025).save(tar)
    with pytest.raises(ShardError, match=r"s.tar: its index belongs to another tar"):
        ShardIndex.load_checked(tar)
    _index([1], ["a"], 1024).save(tar)
    with pytest.raises(ShardError, match=r"s.tar: its index points outside the tar"):
        ShardIndex.load_checked(tar)
    index = _index([0], ["a"], 1024)
    index.rows["image_offset"], index.rows["image_size"] = 1000, 25
    index.save(tar)
    with pytest.raises(ShardError, match=r"s.tar: its index points outside the tar"):
        ShardIndex.load_checked(tar)
