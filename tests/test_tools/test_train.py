import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from handvit.engine.checkpoints import find_latest_checkpoint, read_checkpoint

ROOT = Path(__file__).resolve().parents[2]
STAGE1 = str(ROOT / "configs" / "demo" / "stage1_tiny.py")


def _start(work_dir, tiny_options, *options) -> subprocess.Popen:
    command = [sys.executable, "tools/train.py", STAGE1, "--work-dir", str(work_dir)]
    return subprocess.Popen(
        [*command, *tiny_options, *options],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def _wait_for_checkpoint(process, work_dir) -> None:
    deadline = time.monotonic() + 120
    while find_latest_checkpoint(work_dir) is None:
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_killed_training_resumes_and_ends(tmp_path, tiny_options, run_tool):
    process = _start(tmp_path, tiny_options, "train_cfg.max_iters=100000")
    _wait_for_checkpoint(process, tmp_path)
    process.kill()
    process.wait()
    reached = read_checkpoint(find_latest_checkpoint(tmp_path))["meta"]["iter"]
    end = reached + 3
    options = [*tiny_options, f"train_cfg.max_iters={end}"]
    run_tool("train.py", STAGE1, "--work-dir", tmp_path, "--resume", *options)
    assert (tmp_path / f"iter_{end}.pth").exists()
    log = sorted(tmp_path.glob("*/*.log"))[-1].read_text()
    assert f"resumed epoch: 0, iter: {reached}" in log


def test_an_interrupted_training_says_how_to_go_on(tmp_path, tiny_options):
    options = ["train_cfg.max_iters=100000", "train_dataloader.num_workers=1"]
    process = _start(tmp_path, tiny_options, *options)
    _wait_for_checkpoint(process, tmp_path)
    os.killpg(process.pid, signal.SIGINT)  # as Ctrl-C does: the loader's worker gets it too
    output = process.communicate(timeout=60)[0]
    assert process.returncode == 130, output
    assert "Traceback" not in output
    assert "add --resume to go on" in output.splitlines()[-1]


def test_resume_without_a_checkpoint_starts_anew(tmp_path, tiny_options, run_tool, capsys):
    options = [*tiny_options, "train_cfg.max_iters=2"]
    run_tool("train.py", STAGE1, "--work-dir", tmp_path, "--resume", "--amp", *options)
    assert "no checkpoint" in capsys.readouterr().out
    assert (tmp_path / "iter_2.pth").exists()


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (["nowhere.py"], FileNotFoundError, r"config nowhere\.py: no such file"),
        ([STAGE1, "--resume", "nowhere.pth"], FileNotFoundError, r"nowhere\.pth: no such file"),
        (
            [STAGE1, "--cfg-options", "trian_cfg.max_iters=1"],
            ValueError,
            "the config has no 'trian_cfg'",
        ),
    ],
)
def test_wrong_arguments_are_named(run_tool, arguments, error, message):
    with pytest.raises(error, match=message):
        run_tool("train.py", *arguments)


def test_missing_data_is_named_before_training(run_tool, tmp_path, tiny_options):
    options = [*tiny_options, "train_dataloader.dataset.datasets.0.data_root=data/nowhere"]
    with pytest.raises(ValueError, match=r"data/nowhere/dataset\.json: not found"):
        run_tool("train.py", STAGE1, "--work-dir", tmp_path, *options)
