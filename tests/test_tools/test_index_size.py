import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def test_a_large_index_is_mapped_not_read(tmp_path):
    """In a process of its own, where its worker processes find its functions."""
    file = tmp_path / "report.json"
    tool = ROOT / "tools" / "benchmark" / "index_size.py"
    command = [sys.executable, str(tool), "200000", "--num-workers", "1", "--json", str(file)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    printed = subprocess.run(
        command, env=environment, check=True, timeout=120, capture_output=True, text=True
    ).stdout
    report = json.loads(file.read_text())
    assert report["index_frames"] == 200_000
    assert report["index_open_mb"] < 20
    assert report["index_node_mb"] > 0 and report["index_open_s"] > 0
    assert "index_open_s" in printed


def test_no_frames_are_refused(load_tool, capsys):
    with pytest.raises(SystemExit):
        load_tool("benchmark/index_size.py").main(["0"])
    assert "num_frames: 0 must be 1 or more" in capsys.readouterr().err
