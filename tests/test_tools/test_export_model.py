import json
from pathlib import Path

import pytest
import torch

ROOT = Path(__file__).resolve().parents[2]
STAGE1 = str(ROOT / "configs" / "demo" / "stage1_tiny.py")


@pytest.fixture
def checkpoint(tmp_path, tiny_options, run_tool) -> Path:
    options = [*tiny_options, "train_cfg.max_iters=2"]
    run_tool("train.py", STAGE1, "--work-dir", tmp_path / "train", *options)
    return tmp_path / "train" / "iter_2.pth"


@pytest.fixture
def export(load_tool, checkpoint, tiny_options, tmp_path):
    """Return ``export(checkpoint)``: the tool on the tiny recipe, writing ``tmp_path / export``."""

    def run(path: Path = checkpoint) -> Path:
        arguments = [STAGE1, str(path), "--out", str(tmp_path / "export"), *tiny_options]
        load_tool("misc/export_model.py").main(arguments)
        return tmp_path / "export"

    return run


def test_an_export_is_tested_like_its_checkpoint(
    export, checkpoint, tmp_path, tiny_options, run_tool, capsys
):
    folder = export()
    assert "data sets   tiny" in capsys.readouterr().out
    run_tool("test.py", STAGE1, checkpoint, "--work-dir", tmp_path / "a", *tiny_options)
    run_tool("test.py", folder / "config.json", folder, "--work-dir", tmp_path / "b")
    results = [json.loads((tmp_path / x / "metrics.json").read_text()) for x in "ab"]
    assert results[0]["metrics"] == results[1]["metrics"]
    assert results[0]["hand_model"] == results[1]["hand_model"]


def test_a_checkpoint_of_another_model_leaves_no_whole_export(export, checkpoint, tmp_path, capsys):
    content = torch.load(checkpoint)
    content["state_dict"].pop("head.decoder.query", None)
    content["state_dict"]["head.other"] = torch.zeros(1)
    torch.save(content, tmp_path / "other.pth")
    with pytest.raises(SystemExit) as stop:
        export(tmp_path / "other.pth")
    assert stop.value.code == 2
    assert "does not fit this config's model" in capsys.readouterr().err
    assert not (tmp_path / "export" / "card.json").exists()


def test_a_missing_checkpoint_is_named(export, tmp_path, capsys):
    with pytest.raises(SystemExit):
        export(tmp_path / "nowhere.pth")
    assert "nowhere.pth: no such file" in capsys.readouterr().err
