import json
from pathlib import Path

import pytest
import torch

STAGE1 = str(Path(__file__).resolve().parents[2] / "configs" / "demo" / "stage1_tiny.py")
TIMES = {"eager_s", "compiled_s", "gain", "compile_s"}


@pytest.mark.parametrize("options", [[], ["--amp"]])
def test_measures_both_kinds(load_tool, tmp_path, tiny_options, capsys, options):
    torch._dynamo.reset()
    file = tmp_path / "report.json"
    small = ["--batch-size", "2", "--num-turns", "2", "--steps-per-turn", "1"]
    arguments = [STAGE1, *small, "--backend", "aot_eager", "--json", str(file), *options]
    load_tool("benchmark/compile.py").main([*arguments, *tiny_options])
    report = json.loads(file.read_text())
    assert all(report[name] > 0 for name in TIMES)
    assert report["gain_min"] <= report["gain"] <= report["gain_max"]
    assert report["difference"] < (1e-2 if options else 1e-5)
    assert report["dtype"] == ("bfloat16" if options else "float32")
    assert "gain" in capsys.readouterr().out
