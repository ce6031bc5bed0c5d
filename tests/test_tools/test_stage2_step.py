import json
from pathlib import Path

RECIPE = Path(__file__).resolve().parents[2] / "configs" / "demo" / "stage2_tiny_t7.py"


def test_three_kinds_of_steps_are_measured(load_tool, tmp_path, capsys):
    """Times of something so small say nothing; what learns in each kind does."""
    file = tmp_path / "report.json"
    arguments = [str(RECIPE), "--batch-size", "2", "--rounds", "1", "--json", str(file)]
    load_tool("benchmark/stage2_step.py").main(arguments)
    report = json.loads(file.read_text())
    assert all(report[f"{kind}_ms"] > 0 for kind in ("all_trainable", "frozen", "cached"))
    low, high = report["frozen_times_faster_range"]
    assert low <= report["frozen_times_faster"] <= high
    assert report["spatial_gradients_when_frozen"] == 0
    assert 0 < report["frozen_gradient_mb"] < report["all_trainable_gradient_mb"]
    assert "cached_times_faster" in capsys.readouterr().out
