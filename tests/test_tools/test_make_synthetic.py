import pytest

from handvit.datasets import ShardReader

SMALL = ["--image-size", "32", "--num-workers", "1"]


@pytest.fixture
def make_synthetic(load_tool):
    return load_tool("misc/make_synthetic.py").main


def test_makes_a_data_set(make_synthetic, tmp_path, capsys):
    root = tmp_path / "train"
    counts = ["--num-singles", "3", "--num-sequences", "1", "--sequence-length", "2"]
    make_synthetic([str(root), *counts, "--seed", "5", "--split", "val", *SMALL])
    output = capsys.readouterr()
    assert "5 samples in 2 shards" in output.out
    assert "5/5" in output.err and "hand/s" in output.err  # the bar shows the rate
    reader = ShardReader(root)
    assert len(reader) == 5 and reader.info.split == "val"
    assert reader.read_sample(4).sample_id.startswith("synthetic/val-s5-seq000000/cam0/000001/")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--num-singles", "-3"], "num_singles: -3 must not be negative"),
        ([], "both are 0, so nothing to make"),
        (["--num-singles", "1", "--num-workers", "0"], "num_workers: 0 must be 1 or more"),
    ],
)
def test_wrong_arguments(make_synthetic, tmp_path, capsys, arguments, message):
    with pytest.raises(SystemExit) as stopped:
        make_synthetic([str(tmp_path / "train"), *arguments])
    assert stopped.value.code == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "train").exists()


def test_other_settings_for_the_same_folder(make_synthetic, tmp_path, capsys):
    make_synthetic([str(tmp_path), "--num-singles", "1", *SMALL])
    with pytest.raises(SystemExit):
        make_synthetic([str(tmp_path), "--num-singles", "2", "--seed", "9", *SMALL])
    error = capsys.readouterr().err
    assert "num_singles is 1 there and 2 here; seed is 0 there and 9 here" in error
