import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from handvit.engine.checkpoints import find_latest_checkpoint, read_checkpoint

ROOT = Path(__file__).resolve().parents[2]
STAGE1 = str(ROOT / "configs" / "demo" / "stage1_tiny.py")


def _start(work_dir, tiny_options, *options) -> subprocess.Popen:
    command = [sys.executable, "tools/train.py", STAGE1, "--work-dir", str(work_dir)]
    return subprocess.Popen(
        [*command, *tiny_options, *options],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1"},  # sums depend on the number of threads
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


def test_a_preempted_training_saves_resumes_and_ends_like_another(tmp_path, tiny_options, run_tool):
    options = [
        *tiny_options,
        "train_dataloader.num_workers=2",
        "train_dataloader.persistent_workers=True",
        "default_hooks.checkpoint.interval=100000",
        "default_hooks.checkpoint.save_last=False",
        "default_hooks.logger.interval=1",
    ]
    process = _start(tmp_path, options, "train_cfg.max_iters=100000")
    deadline = time.monotonic() + 120
    while not any(log.read_text() for log in tmp_path.glob("*/vis_data/scalars.json")):
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < deadline
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGTERM)  # as SLURM does: the loader's workers get it, too
    sent = time.monotonic()
    output = process.communicate(timeout=60)[0]
    assert process.returncode == 143, output
    assert time.monotonic() - sent < 15
    assert "Traceback" not in output
    (saved,) = tmp_path.glob("iter_*.pth")
    assert f"saved {saved}" in output and "add --resume to go on" in output

    end = read_checkpoint(saved)["meta"]["iter"] + 2
    options += [f"train_cfg.max_iters={end}", "default_hooks.checkpoint.save_last=True"]
    options.append("train_dataloader.num_workers=0")
    options.append("train_dataloader.persistent_workers=False")
    run_tool("train.py", STAGE1, "--work-dir", tmp_path, "--resume", *options)
    run_tool("train.py", STAGE1, "--work-dir", tmp_path / "whole", *options)
    again, whole = (read_checkpoint(p / f"iter_{end}.pth") for p in (tmp_path, tmp_path / "whole"))
    for key in ("state_dict", "optimizer"):
        torch.testing.assert_close(again[key], whole[key], rtol=0, atol=0)


def test_resume_without_a_checkpoint_starts_anew(tmp_path, tiny_options, run_tool, capsys):
    options = [*tiny_options, "train_cfg.max_iters=2"]
    run_tool("train.py", STAGE1, "--work-dir", tmp_path, "--resume", "--amp", *options)
    assert "no checkpoint" in capsys.readouterr().out
    assert (tmp_path / "iter_2.pth").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere.py"], "config nowhere.py: no such file"),
        ([STAGE1, "--resume", "nowhere.pth"], "nowhere.pth: no such file"),
        ([STAGE1, "--cfg-options", "trian_cfg.max_iters=1"], "the config has no 'trian_cfg'"),
    ],
)
def test_wrong_arguments_are_named(run_tool, capsys, arguments, message):
    with pytest.raises(SystemExit) as stop:
        run_tool("train.py", *arguments)
    assert stop.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("error: ") and message in line


def test_all_that_is_wrong_with_a_config_is_named_at_once(run_tool, tmp_path, tiny_options, capsys):
    options = [
        *tiny_options,
        "train_dataloader.dataset.datasets.0.data_root=data/nowhere",
        "model.backbone.confg=3",
        "default_hooks.timer.type=IterTimeHook",
    ]
    with pytest.raises(SystemExit) as stop:
        run_tool("train.py", STAGE1, "--work-dir", tmp_path / "run", *options)
    assert stop.value.code == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 3
    expected = (
        "did you mean 'config'?",
        "did you mean 'IterTimerHook'?",
        "train_dataloader.dataset.datasets.0.data_root='data/nowhere': no such folder; make it",
    )
    for text in expected:
        assert any(text in line for line in lines), lines
    assert not (tmp_path / "run").exists()
