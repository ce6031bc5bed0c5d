import json
import os
import subprocess
import sys
from pathlib import Path

from handvit.datasets import HandClipDataset

ROOT = Path(__file__).resolve().parents[2]
NAMES = {"decode_only_per_s", "loader_per_s", "ratio", "rss_mb", "rss_growth_mb"}
STAGES = {"read_ms", "record_parse_ms", "decode_ms", "collate_ms", "transfer_ms"}
SMALL = ["--num-workers", "1", "--frames-per-turn", "40", "--num-turns", "1", "--batch-size", "4"]


def _measure(tmp_path, *options):
    """Run the tool in a process of its own, where its worker processes find its functions."""
    file = tmp_path / "report.json"
    command = [sys.executable, str(ROOT / "tools" / "benchmark" / "loader.py"), *SMALL, *options]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    subprocess.run([*command, "--json", str(file)], env=environment, check=True, timeout=120)
    return json.loads(file.read_text())


def test_measures_a_data_set_of_its_own(tmp_path, capfd):
    report = _measure(tmp_path, "--num-frames", "50")
    assert report.keys() >= NAMES | STAGES
    assert all(report[name] > 0 for name in {*NAMES, *STAGES} - {"rss_growth_mb"})
    assert report["ratio"] == report["loader_per_s"] / report["decode_only_per_s"]
    assert 25 < report["image_kb"] < 50
    assert "loader_per_s" in capfd.readouterr().out


def test_measures_clips_of_a_given_data_set(shards_root, tmp_path):
    assert _measure(tmp_path, str(shards_root), "--clip-length", "7")["loader_per_s"] > 0


def test_its_data_set_is_an_ordinary_one(load_tool, tmp_path):
    load_tool("benchmark/loader.py").make_dataset(tmp_path / "made", 90)
    dataset = HandClipDataset(tmp_path / "made", clip_length=7)
    assert len(dataset) == 90
    assert dataset[47].images[0].shape == (384, 384, 3) and dataset[47].frame_valid.all()
    assert dataset[41].frame_valid.sum() == 2  # the second track
