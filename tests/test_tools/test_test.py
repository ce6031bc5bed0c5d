import json
from pathlib import Path

import pytest
import torch

from handvit.evaluation import PredictionFile

ROOT = Path(__file__).resolve().parents[2]
STAGE1 = str(ROOT / "configs" / "demo" / "stage1_tiny.py")


@pytest.fixture
def checkpoint(tmp_path, tiny_options, run_tool) -> Path:
    options = [*tiny_options, "train_cfg.max_iters=2"]
    run_tool("train.py", STAGE1, "--work-dir", tmp_path / "train", *options)
    return tmp_path / "train" / "iter_2.pth"


def test_test_reports_dumps_and_draws(tmp_path, checkpoint, tiny_options, run_tool, capsys):
    run_tool(
        "test.py",
        *(STAGE1, checkpoint, "--work-dir", tmp_path / "test"),
        *("--dump", tmp_path / "predictions.npz"),
        *("--show-dir", tmp_path / "pictures", "--show-interval", 3),
        *tiny_options,
    )
    written = json.loads((tmp_path / "test" / "metrics.json").read_text())
    assert written["hand_model"].startswith("openhand:")
    assert written["metrics"]["num_hands"] == 24
    table = capsys.readouterr().out
    assert f"{written['metrics']['mpjpe_cam']:.2f}" in table
    predictions = PredictionFile.load(tmp_path / "predictions.npz")
    assert len(predictions) == 24
    assert predictions.header.checkpoint == str(checkpoint)
    assert predictions.header.hand_model == written["hand_model"]
    assert len(list((tmp_path / "pictures").glob("*.jpg"))) == 2  # batches 0 and 3 of 6


def test_a_checkpoint_of_another_hand_model_is_refused(
    tmp_path, checkpoint, tiny_options, run_tool, capsys
):
    content = torch.load(checkpoint)
    content["meta"]["hand_model"] = "mano:000000000000"
    torch.save(content, tmp_path / "other.pth")
    arguments = [STAGE1, tmp_path / "other.pth", "--work-dir", tmp_path]
    capsys.readouterr()
    with pytest.raises(SystemExit) as stop:
        run_tool("test.py", *arguments, *tiny_options)
    assert stop.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "trained with hand model mano:000000000000" in line
    with pytest.raises(ValueError, match="trained with hand model mano:000000000000"):
        run_tool("test.py", *arguments, "--traceback", *tiny_options)


def test_all_that_is_wrong_with_a_config_is_named_at_once(tmp_path, tiny_options, run_tool, capsys):
    (tmp_path / "any.pth").touch()
    options = [
        *tiny_options,
        "test_dataloader.dataset.data_root=data/nowhere",
        "test_evaluator.hand_modl=1",
    ]
    with pytest.raises(SystemExit) as stop:
        run_tool("test.py", STAGE1, tmp_path / "any.pth", "--work-dir", tmp_path / "run", *options)
    assert stop.value.code == 2
    evaluator, data = capsys.readouterr().err.splitlines()
    assert evaluator.endswith("did you mean 'hand_model'?")
    assert "test_dataloader.dataset.data_root='data/nowhere': no such folder" in data
    assert not (tmp_path / "run").exists()


def test_wrong_arguments_are_named(run_tool, tmp_path, capsys):
    with pytest.raises(SystemExit) as stop:
        run_tool("test.py", STAGE1, "nowhere.pth")
    assert stop.value.code == 2
    assert "error: checkpoint nowhere.pth: no such file" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        run_tool("test.py", STAGE1, "nowhere.pth", "--dump", "predictions.pkl")
    assert "must end in .npz" in capsys.readouterr().err
