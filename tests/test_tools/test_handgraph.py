import pytest

from handvit.datasets import ShardReader


def test_real_data_becomes_a_data_set(shared_data, tmp_path, load_tool, capsys):
    source = shared_data / "handgraph_realworld"
    tool = load_tool("dataset_converters/handgraph.py")
    tool.main([str(source), str(tmp_path / "test"), "--split", "test"])
    assert "87 samples" in capsys.readouterr().out
    reader = ShardReader(tmp_path / "test")
    assert (reader.info.name, reader.info.split, len(reader)) == ("handgraph", "test", 87)
    sample = reader.read_sample(0)
    assert sample.sample_id == "handgraph/realworld/cam0/00350/left"
    assert sample.image == (source / "images" / "00350.jpg").read_bytes()
    assert len(reader.index.track_names) == 1


def test_missing_files_are_named_and_leave_no_data_set(tmp_path, load_tool, capsys):
    tool = load_tool("dataset_converters/handgraph.py")
    (tmp_path / "src").mkdir()
    with pytest.raises(SystemExit) as stopped:
        tool.main([str(tmp_path / "src"), str(tmp_path / "dst"), "--split", "train"])
    assert stopped.value.code == 1
    assert "params.mat: not found; get images/" in capsys.readouterr().err
    assert not (tmp_path / "dst").exists()
