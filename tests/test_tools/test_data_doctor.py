import json
from dataclasses import replace

import pytest

from handvit.datasets import ShardReader, ShardWriter
from handvit.datasets.synthetic import SyntheticPlan, produce


@pytest.fixture(scope="module")
def tool(load_tool):
    return load_tool("misc/data_doctor.py")


@pytest.fixture(scope="module")
def good_root(tmp_path_factory):
    root = tmp_path_factory.mktemp("doctor") / "good"
    plan = SyntheticPlan(
        split="val", seed=4, num_singles=12, num_sequences=3, sequence_length=12, image_size=32
    )
    produce(root, plan, num_workers=1, report=lambda count: None)
    return root


@pytest.fixture
def broken_root(good_root, tmp_path):
    """The same in millimetres."""
    reader = ShardReader(good_root)
    with ShardWriter(tmp_path / "broken", info=replace(reader.info, shards=())) as writer:
        for row in range(len(reader)):
            sample = reader.read_sample(row)
            writer.add(replace(sample, keypoints_cam=1000 * sample.keypoints_cam))
    return tmp_path / "broken"


def test_good_data_pass(tool, good_root, tmp_path, capsys):
    html, record = tmp_path / "new" / "report.html", tmp_path / "out.json"
    assert tool.main([str(good_root), "--html", str(html), "--json", str(record)]) == 0
    output = capsys.readouterr()
    assert "48/48" in output.err and "hand/s" in output.err  # the bar shows the rate
    assert "OK       units" in output.out
    assert "ok, 48 of 48 samples examined" in output.out
    assert html.read_text().startswith("<!DOCTYPE html>")
    first = record.read_bytes()
    result = json.loads(first)
    assert result["status"] == "ok" and len(result["findings"]) == 19
    assert sum(result["histograms"]["side: 0 left, 1 right"]["counts"]) == 48
    tool.main([str(good_root), "--json", str(record)])
    assert record.read_bytes() == first


def test_broken_data_fail(tool, broken_root, tmp_path, capsys):
    record = tmp_path / "out.json"
    assert tool.main([str(broken_root), "--json", str(record)]) == 1
    assert "FAILED   units" in capsys.readouterr().out
    result = json.loads(record.read_text())
    failed = {f["name"] for f in result["findings"] if f["status"] == "failed"}
    assert failed == {"units", "mano_gap"}


def test_few_samples(tool, good_root, capsys):
    tool.main([str(good_root), "--max-samples", "10"])
    assert "10 of 48 samples examined" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere"], "nowhere/dataset.json: not found"),
        ([".", "--max-samples", "0"], "--max-samples must be 1 or more"),
        ([".", "--num-pictures", "-1"], "--num-pictures 0 or more"),
    ],
)
def test_bad_usage(tool, arguments, message, capsys):
    with pytest.raises(SystemExit) as stopped:
        tool.main(arguments)
    assert stopped.value.code == 2
    assert message in capsys.readouterr().err
