import json

import pytest

from handvit.structures import HandStatistics


@pytest.fixture
def tool(load_tool):
    return load_tool("misc/compute_statistics.py")


def test_writes_what_heads_load(tool, make_shards, tmp_path, capsys):
    roots = [str(make_shards(name="one")), str(make_shards(name="two", seed=1))]
    out, picture = tmp_path / "new" / "mix.json", tmp_path / "look" / "mix.png"
    tool.main([*roots, "--out", str(out), "--weights", "3", "1", "--picture", str(picture)])
    output = capsys.readouterr()
    assert "48/48" in output.err and "hand/s" in output.err  # the bar shows the rate
    assert "48 with a pose, 48 with a place, 48 with a size" in output.out
    assert "far from the prior 0.0% of the hands in metres, 0.0% in hand sizes" in output.out
    assert f"wrote {out}" in output.out
    assert picture.read_bytes().startswith(b"\x89PNG")
    statistics = HandStatistics.load(out)
    assert statistics.num_hands == 48
    z = f"{statistics.root_mean[2]:.3f} m, sd {statistics.root_covariance[0, 0] ** 0.5:.3f}"
    assert z in output.out and f"{statistics.prior_scale:.4f} m" in output.out
    assert [path.name for path in out.parent.iterdir()] == ["mix.json"]

    first = out.read_bytes()
    tool.main([*roots, "--out", str(out), "--weights", "6", "2"])
    assert json.loads(out.read_bytes())["root_mean"] == pytest.approx(
        json.loads(first)["root_mean"]
    )
    tool.main([*roots, "--out", str(out)])
    assert json.loads(out.read_bytes())["root_mean"] != json.loads(first)["root_mean"]


def test_few_hands(tool, shards_root, tmp_path, capsys):
    tool.main([str(shards_root), "--out", str(tmp_path / "few.json"), "--num-hands", "12"])
    output = capsys.readouterr()
    assert "12/12" in output.err and "12 with a pose" in output.out


def test_ctrl_c_leaves_nothing_behind(tool, shards_root, tmp_path, monkeypatch, capsys):
    def interrupted(*args, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr(tool, "survey_hands", interrupted)
    with pytest.raises(SystemExit) as stopped:
        tool.main([str(shards_root), "--out", str(tmp_path / "x.json")])
    assert stopped.value.code == 130
    assert "interrupted; nothing was written" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--weights", "1", "2"], "weights: 2 numbers for 1 data sets"),
        (["--num-hands", "0"], "--num-hands must be 1 or more"),
        (["--num-hands", "3"], "only 3 hands with MANO labels"),
    ],
)
def test_bad_usage(tool, shards_root, tmp_path, options, message, capsys):
    with pytest.raises(SystemExit) as stopped:
        tool.main([str(shards_root), "--out", str(tmp_path / "x.json"), *options])
    assert stopped.value.code == 2
    assert message in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_no_data_set(tool, capsys):
    with pytest.raises(SystemExit) as stopped:
        tool.main(["nowhere", "--out", "x.json"])
    assert stopped.value.code == 2
    assert "nowhere/dataset.json: not found" in capsys.readouterr().err
