import json
from pathlib import Path

import cv2
import pytest

ROOT = Path(__file__).resolve().parents[2]
STAGE1 = str(ROOT / "configs" / "demo" / "stage1_tiny.py")
TOOL = "analysis_tools/analyze_logs.py"


@pytest.fixture
def run(tmp_path, tiny_options, run_tool) -> Path:
    options = [*tiny_options, "train_cfg.max_iters=4", "default_hooks.logger.interval=1"]
    run_tool("train.py", STAGE1, "--work-dir", tmp_path / "run", *options)
    return tmp_path / "run"


def test_a_training_is_summed_up_and_drawn(run, tmp_path, run_tool, capsys):
    capsys.readouterr()
    picture, table = tmp_path / "curves.png", tmp_path / "table.json"
    run_tool(TOOL, run, "--out", picture, "--json", table, "--smooth", 2)
    row = json.loads(table.read_text())["run"]
    assert row["iterations"] == 4 and row["samples_per_s"] > 0 and row["best"] > 0
    assert "samples_per_s" in capsys.readouterr().out
    assert cv2.imread(str(picture)).std() > 5


def test_what_is_not_there_is_named(run, tmp_path, run_tool, capsys):
    for arguments, message in (
        ([tmp_path / "nowhere"], "nowhere: no training log"),
        ([run, "--keys", "los"], "--keys los: not logged; there are"),
    ):
        with pytest.raises(SystemExit) as stop:
            run_tool(TOOL, *arguments)
        assert stop.value.code == 2
        assert message in capsys.readouterr().err
