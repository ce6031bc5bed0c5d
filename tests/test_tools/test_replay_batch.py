from pathlib import Path

import cv2
import pytest
import torch

from handvit.engine.checkpoints import read_checkpoint
from handvit.engine.failure_dump import Findings
from handvit.engine.training_stop import NonFiniteError

ROOT = Path(__file__).resolve().parents[2]
STAGE1 = str(ROOT / "configs" / "demo" / "stage1_tiny.py")


@pytest.fixture(scope="module")
def tool(load_tool):
    return load_tool("misc/replay_batch.py")


@pytest.fixture
def failure(run_tool, tiny_options, tmp_path) -> Path:
    """Failure of a training that began with one infinite weight."""
    options = [*tiny_options, "train_cfg.max_iters=1"]
    guard = "default_hooks.finite_guard.type=FiniteGuardHook"
    run_tool("train.py", STAGE1, "--work-dir", tmp_path, *options)
    checkpoint = read_checkpoint(tmp_path / "iter_1.pth")
    checkpoint["state_dict"]["backbone.model.embedder.embedder.convolution.weight"][0] = torch.inf
    torch.save(checkpoint, tmp_path / "spoilt.pth")
    with pytest.raises(SystemExit) as stopped:
        start = f"load_from={tmp_path / 'spoilt.pth'}"
        run_tool("train.py", STAGE1, "--work-dir", tmp_path, *options, guard, start)
    assert stopped.value.code == NonFiniteError.code
    return tmp_path / "failures" / "iter_1_rank0.pt"


def test_a_failure_is_explained(tool, failure, capsys):
    with pytest.raises(SystemExit) as ended:
        tool.main([str(failure), "--anomaly"])
    printed = capsys.readouterr().out
    assert ended.value.code == 0, printed
    assert "iteration 1, rank 0 of 1, seed 0\nsamples:\n  tiny/sequence" in printed
    assert "before: 1: backbone.model.embedder.embedder.convolution.weight" in printed
    assert "\n  loss_root nan\n" in printed
    assert "first module whose output is not finite: backbone.model.embedder" in printed
    assert "anomaly: Function '" in printed
    assert printed.splitlines()[-1] == "reproduced"
    picture = cv2.imread(str(failure.with_suffix(".png")))
    assert picture.shape == (40, 4 + 4 * 36, 3)  # four crops of 32 px
    assert (picture[4:36, 4:36] != 255).any()

    # What the file blames is not what fails here.
    content = torch.load(failure, weights_only=True)
    content["findings"]["losses"] = ["loss_root"]
    torch.save(content, failure)
    with pytest.raises(SystemExit) as ended:
        tool.main([str(failure)])
    assert ended.value.code == 1
    assert "not reproduced: another device" in capsys.readouterr().out


def test_other_files_are_refused_in_one_line(tool, tmp_path):
    wrong = tmp_path / "wrong.pt"
    torch.save({"state_dict": {}}, wrong)
    text = tmp_path / "text.pt"
    text.write_text("nothing")
    for path, message in (
        (wrong, "is no failure that a training wrote"),
        (text, "is no failure that a training wrote"),
        (tmp_path / "absent.pt", "no such file"),
    ):
        with pytest.raises(SystemExit) as ended:
            tool.main([str(path)])
        assert message in ended.value.code
        assert "\n" not in ended.value.code


def test_ranges_count_what_is_not_finite(tool, make_batch):
    batch = make_batch()
    batch.labels.focal[0, 0, 0] = torch.nan
    described = dict(line.split(" ", 1) for line in tool.describe_tensors(batch))
    assert described["labels.focal"].endswith(", 1 NaN or infinite")
    assert "NaN" not in described["labels.mano.betas"]
    assert "image" not in described  # integers
    batch.labels.princpt[:] = torch.inf
    assert "labels.princpt nothing finite, 4 NaN or infinite" in tool.describe_tensors(batch)


def test_processes_share_their_gradients(tool):
    findings = Findings([], ["head.x"], [])
    assert "other ranks" in tool.advice({"world_size": 2, "findings": findings})
