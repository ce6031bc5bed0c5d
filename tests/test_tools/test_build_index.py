import pytest

from handvit.datasets import ShardError, ShardReader


def _contents(root):
    return {path.name: path.read_bytes() for path in root.iterdir()}


@pytest.mark.parametrize("num_workers", ["1", "2"])
def test_rebuilds_what_was_lost(make_shards, load_tool, capsys, num_workers):
    root = make_shards()
    before = _contents(root)
    for path in root.glob("*.index.npz"):
        path.unlink()
    load_tool("misc/build_index.py").main([str(root), "--num-workers", num_workers])
    assert "24 samples in 3 shards" in capsys.readouterr().out
    assert _contents(root) == before


def test_takes_in_added_and_removed_tars(make_shards, load_tool):
    root = make_shards()
    (root / "shard-000000.tar").rename(root / "extra.tar")
    (root / "shard-000000.index.npz").unlink()
    (root / "shard-000002.tar").unlink()
    load_tool("misc/build_index.py").main([str(root)])
    reader = ShardReader(root)
    assert [shard.file for shard in reader.info.shards] == ["extra.tar", "shard-000001.tar"]
    assert len(reader) == 20


def test_truncated_tar_is_named(make_shards, load_tool):
    root = make_shards()
    tar = root / "shard-000001.tar"
    tar.write_bytes(tar.read_bytes()[:9000])
    with pytest.raises(ShardError, match=r"shard-000001.tar: truncated"):
        load_tool("misc/build_index.py").main([str(root)])


def test_folder_without_description(tmp_path, load_tool):
    with pytest.raises(ValueError, match=r"dataset.json: not found"):
        load_tool("misc/build_index.py").main([str(tmp_path)])
