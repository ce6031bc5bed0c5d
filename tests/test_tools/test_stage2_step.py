import json
from pathlib import Path

import numpy as np
import pytest

RECIPE = Path(__file__).resolve().parents[2] / "configs" / "demo" / "stage2_tiny_t7.py"


@pytest.fixture
def tool(load_tool):
    return load_tool("benchmark/stage2_step.py")


def test_three_kinds_of_steps_are_measured(tool, tmp_path, capsys):
    """Times of something so small say nothing; what learns in each kind does."""
    file = tmp_path / "report.json"
    tool.main([str(RECIPE), "--batch-size", "2", "--rounds", "1", "--json", str(file)])
    report = json.loads(file.read_text())
    assert all(report[f"{kind}_ms"] > 0 for kind in ("all_trainable", "frozen", "cached"))
    low, high = report["frozen_times_faster_95"]
    assert low <= report["frozen_times_faster"] <= high
    assert report["spatial_gradients_when_frozen"] == 0
    assert 0 < report["frozen_gradient_mb"] < report["all_trainable_gradient_mb"]
    for kind in ("frozen", "all_trainable"):  # AdamW keeps two numbers for each
        assert report[f"{kind}_optimizer_mb"] == pytest.approx(
            2 * report[f"{kind}_gradient_mb"], rel=0.1, abs=0.2
        )
    assert "cached_times_faster" in capsys.readouterr().out


def test_ratios_come_with_their_spread(tool):
    assert tool.compare("x", np.full(5, 3.0)) == {
        "x_times_faster": 3.0,
        "x_times_faster_95": [3.0, 3.0],
    }
    found = tool.compare("x", np.array([2.0, 3.0, 4.0]))
    assert found == {"x_times_faster": 3.0, "x_times_faster_95": [2.0, 4.0]}
