import errno
import os
import shutil
import signal
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest
import torch
from mmengine.fileio import load
from mmengine.hooks import Hook

from handvit.engine.checkpoints import find_latest_checkpoint, read_checkpoint
from handvit.engine.training_stop import DiskShortage, Preempted

STAGE1, STAGE2 = "stage1_tiny.py", "stage2_tiny_t7.py"


@pytest.fixture
def stage1(build, tmp_path) -> Path:
    build(STAGE1, "stage1").train()
    return tmp_path / "stage1" / "iter_4.pth"


def test_stage2_starts_from_stage1_and_trains_the_temporal_encoder_only(build, tmp_path, stage1):
    runner = build(STAGE2, "stage2", {"load_from": str(stage1)})
    runner.train()
    before = read_checkpoint(stage1)["state_dict"]
    after = read_checkpoint(tmp_path / "stage2" / "iter_4.pth")
    for name, value in before.items():
        torch.testing.assert_close(after["state_dict"][name], value, rtol=0, atol=0)
    assert any(name.startswith("temporal.") for name in after["state_dict"])
    moved = after["state_dict"]["temporal.to_out.weight"]
    assert moved.abs().max() > 0
    num_trained = sum(len(group["params"]) for group in after["optimizer"]["param_groups"])
    assert num_trained == len(list(runner.model.temporal.parameters()))


def test_untrained_stage2_measures_like_stage1(build, stage1):
    start = {"load_from": str(stage1)}
    expected = build(STAGE1, "test1", start).test()
    runner = build(STAGE2, "stage2", {**start, "optim_wrapper.optimizer.lr": 0.0})
    runner.train()
    found = runner.val_loop.run()
    assert found == pytest.approx(expected, rel=1e-5)


def test_stage2_refuses_another_backbone(build, stage1):
    options = {"load_from": str(stage1), "model.backbone.config.hidden_sizes": [8, 24]}
    with pytest.raises(ValueError, match="not fit this config's model: it has another backbone;"):
        build(STAGE2, "stage2", options).train()


def test_stage2_refuses_a_checkpoint_without_a_neck(build, tmp_path, stage1):
    checkpoint = torch.load(stage1)
    weights = checkpoint["state_dict"]
    checkpoint["state_dict"] = {k: v for k, v in weights.items() if not k.startswith("neck.")}
    assert len(checkpoint["state_dict"]) < len(weights)
    torch.save(checkpoint, tmp_path / "neckless.pth")
    options = {"load_from": str(tmp_path / "neckless.pth"), "model.frozen": ()}
    with pytest.raises(ValueError, match=r"it lacks the spatial module neck; \d+ missing: neck"):
        build(STAGE2, "stage2", options).train()


def test_testing_needs_every_weight(build, stage1):
    with pytest.raises(ValueError, match=r"missing: temporal\."):
        build(STAGE2, "stage2", {"load_from": str(stage1)}).test()


def test_checkpoints_load_safely_and_name_their_hand_model(stage1):
    assert torch.serialization.get_unsafe_globals_in_checkpoint(stage1) == []
    assert read_checkpoint(stage1)["meta"]["hand_model"].startswith("openhand:")
    assert not list(stage1.parent.glob("*.tmp"))


def test_checkpoints_name_the_transformers_that_named_their_weights(build, tmp_path, stage1):
    checkpoint = read_checkpoint(stage1)
    assert checkpoint["meta"]["transformers"] == version("transformers")
    checkpoint["meta"]["transformers"] = "5.0.1"
    weights = checkpoint["state_dict"]
    weights["backbone.query"] = weights.pop(next(n for n in weights if n.startswith("backbone.")))
    torch.save(checkpoint, tmp_path / "old.pth")
    with pytest.raises(ValueError, match=r"1 missing: backbone.*install transformers==5\.0\.1"):
        build(STAGE1, "test", {"load_from": str(tmp_path / "old.pth")}).test()


@pytest.mark.parametrize("is_best", [True, False])
def test_weights_alone_are_no_run_to_resume(build, tmp_path, stage1, is_best):
    (path,) = stage1.parent.glob("best_*.pth") if is_best else [tmp_path / "mean.pth"]
    checkpoint = read_checkpoint(stage1)
    if not is_best:
        weights = {key: checkpoint[key] for key in ("meta", "state_dict")}
        torch.save(weights, path)
    runner = build(STAGE1, "resumed", {"resume": True, "load_from": str(path)})
    before = {name: value.clone() for name, value in runner.model.state_dict().items()}
    with pytest.raises(ValueError, match=rf"{path.name}: holds weights only; start.*load_from"):
        runner.train()
    torch.testing.assert_close(runner.model.state_dict(), before, rtol=0, atol=0)
    assert runner.iter == 0


def test_the_best_and_the_last_checkpoints_are_kept(build, tmp_path):
    options = {"train_cfg.max_iters": 10, "train_cfg.val_interval": 10}
    build(STAGE1, "run", options).train()
    names = sorted(path.name for path in (tmp_path / "run").glob("*.pth"))
    assert names == ["best_mpjpe_cam_iter_10.pth", "iter_10.pth", "iter_6.pth", "iter_8.pth"]


def test_an_interrupt_inside_a_save_waits_until_it_is_whole(build, tmp_path, monkeypatch):
    save = torch.save

    def interrupted_save(content, file):
        os.kill(os.getpid(), signal.SIGINT)
        save(content, file)

    monkeypatch.setattr(torch, "save", interrupted_save)
    with pytest.raises(KeyboardInterrupt):
        build(STAGE1, "run").train()
    assert [path.name for path in (tmp_path / "run").glob("*.pth")] == ["iter_2.pth"]
    assert read_checkpoint(tmp_path / "run" / "iter_2.pth")["meta"]["iter"] == 2


def test_an_interrupt_stops_validation(build):
    runner = build(STAGE1, "run", {"default_hooks.checkpoint": None})
    runner.register_hook(_InterruptValidation())
    with pytest.raises(KeyboardInterrupt):
        runner.train()
    assert runner.iter == 2  # the validation was after the second iteration


class _InterruptValidation(Hook):
    def before_val_iter(self, runner, batch_idx, data_batch=None):
        os.kill(os.getpid(), signal.SIGINT)
        self.count = getattr(self, "count", 0) + 1
        assert self.count == 1, "went on after an interrupt"


def test_a_sigterm_in_a_validation_saves_the_trained_weights(build, tmp_path):
    average = {"custom_hooks": [dict(type="HandEMAHook", momentum=0.1, update_buffers=True)]}
    build(STAGE1, "whole", average).train()
    options = {"default_hooks.checkpoint.interval": -1}
    runner = build(STAGE1, "run", average | options)
    runner.register_hook(_Signal(signal.SIGTERM, "before_val_iter"))
    with pytest.raises(Preempted, match=r"after iteration 2: saved .*/run/iter_2\.pth$") as stop:
        runner.train()
    assert stop.value.code == 143
    whole, saved = (read_checkpoint(tmp_path / name / "iter_2.pth") for name in ("whole", "run"))
    for key in ("state_dict", "ema_state_dict", "optimizer"):
        torch.testing.assert_close(saved[key], whole[key], rtol=0, atol=0)
    assert not list((tmp_path / "run").glob("best*"))


def test_a_second_sigterm_leaves_a_save_alone_and_a_saved_iteration_is_not_saved_again(
    build, tmp_path, monkeypatch
):
    saved, save = [], torch.save

    def signalled_save(content, file):
        os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGTERM)
        saved.append(content["meta"]["iter"])
        save(content, file)

    monkeypatch.setattr(torch, "save", signalled_save)
    with pytest.raises(Preempted, match="after iteration 2"):
        build(STAGE1, "run").train()
    assert saved == [2]
    assert read_checkpoint(tmp_path / "run" / "iter_2.pth")["meta"]["iter"] == 2


def test_without_checkpoints_a_sigterm_ends_the_training_and_says_so(build, tmp_path):
    runner = build(STAGE1, "run", {"default_hooks.checkpoint": None})
    runner.register_hook(_Signal(signal.SIGUSR1, "before_train_iter"))
    with pytest.raises(Preempted, match="after iteration 1: saved nothing"):
        runner.train()


class _Signal(Hook):
    """Send a signal to this process from each call of one method."""

    def __init__(self, number, method):
        setattr(self, method, lambda *details, **more: os.kill(os.getpid(), number))


def test_a_disk_without_room_stops_before_anything_is_touched(build, tmp_path, monkeypatch):
    runner = build(STAGE1, "run", {"default_hooks.checkpoint.max_keep_ckpts": 1})
    usage = shutil.disk_usage(tmp_path)

    def disk_usage(folder):
        room = 16 * 2**20 + 10_000 if runner.iter >= 3 else usage.free
        return usage._replace(free=room)

    monkeypatch.setattr(shutil, "disk_usage", disk_usage)
    with pytest.raises(DiskShortage, match=r"iter_4\.pth needs 0\.\d+ GB, 0\.0168 GB are free"):
        runner.train()
    assert read_checkpoint(tmp_path / "run" / "iter_2.pth")["meta"]["iter"] == 2
    names = {path.name for path in (tmp_path / "run").glob("*.pth*")}
    assert names == {"iter_2.pth", "best_mpjpe_cam_iter_2.pth"}


def test_a_disk_that_fills_up_while_saving_leaves_no_torn_file(build, tmp_path, monkeypatch):
    def full(descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    runner = build(STAGE1, "run")
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(DiskShortage, match="No space left"):
        runner.train()
    assert not list((tmp_path / "run").glob("*.pth"))
    assert not list((tmp_path / "run").glob(".*.tmp"))


def test_other_launchers_than_torchrun_need_a_gpu(build, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ValueError, match="use --launcher pytorch"):
        build(STAGE1, "run", {"launcher": "slurm"})


_TWO_STAGES = """
import sys
from mmengine.config import Config
from mmengine.fileio import dump
from handvit.registry import RUNNERS
*train, test, out = sys.argv[1:]
for path in train:
    RUNNERS.build(Config.fromfile(path)).train()
runner = RUNNERS.build(Config.fromfile(test))
metrics = runner.test()
if runner.rank == 0:
    dump(metrics, out)
"""


_STOPS = """
import json, os, shutil, signal, sys
from mmengine.config import Config
from mmengine.hooks import Hook
from handvit.engine.training_stop import TrainingStop
from handvit.registry import RUNNERS

class SignalOne(Hook):
    num_batches = 0
    def __init__(self, rank, method, index):
        self.rank = rank
        setattr(self, method, self.send)
        self.index = index
    def send(self, runner, batch_idx, **more):
        if (runner.rank, batch_idx) == (self.rank, self.index):
            os.kill(os.getpid(), signal.SIGTERM)
    def after_val_iter(self, runner, batch_idx, **more):
        self.num_batches += 1

def stop(path, hook):
    runner = RUNNERS.build(Config.fromfile(path))
    runner.register_hook(hook)
    try:
        runner.train()
    except TrainingStop as stop:
        return [type(stop).__name__, str(stop).split(":")[0], hook.num_batches]

*paths, out = sys.argv[1:]
rank = int(os.environ["RANK"])
ends = [
    stop(paths[0], SignalOne(1, "before_train_iter", 0)),
    stop(paths[1], SignalOne(1, "before_val_iter", 0)),
    stop(paths[2], SignalOne(0, "before_val_iter", 3)),
]
if rank == 0:
    usage = shutil.disk_usage("/")._replace(free=1000)
    shutil.disk_usage = lambda folder: usage
ends.append(stop(paths[3], SignalOne(2, "before_val_iter", 0)))
with open(f"{out}.{rank}.json", "w") as file:
    json.dump(ends, file)
"""


def _run_twofold(tmp_path: Path, *configs, program: str = _TWO_STAGES) -> Path:
    """Run a program on two processes with config files and an output path as its arguments."""
    script, out = tmp_path / "run.py", tmp_path / "out.json"
    script.write_text(program)
    paths = [tmp_path / f"config_{number}.py" for number in range(len(configs))]
    for cfg, path in zip(configs, paths, strict=True):
        cfg.dump(str(path))
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node=2"]
    command += ["--rdzv-backend=c10d", "--rdzv-endpoint=127.0.0.1:0", str(script)]
    command += [*map(str, paths), str(out)]
    result = subprocess.run(command, capture_output=True, text=True, check=False, timeout=240)
    assert result.returncode == 0, result.stdout[-2000:] + result.stderr[:6000]
    return out


def test_two_processes_stop_in_the_same_iteration(tiny_config, tmp_path):
    options = {
        "launcher": "pytorch",
        # Unevenly: 10 hands in 4 batches, and 9 in 3.
        "val_dataloader.dataset.indices": 19,
        "val_dataloader.sampler.round_up": False,
    }
    configs = [tiny_config(STAGE1, tmp_path / f"run{number}", options) for number in range(4)]
    configs[0].optim_wrapper.accumulative_counts = 2
    out = _run_twofold(tmp_path, *configs, program=_STOPS)
    first, second = (load(f"{out}.{rank}.json") for rank in (0, 1))
    asked = "asked to end after iteration 2"
    assert first[0] == second[0] == ["Preempted", asked, 0]  # not between two steps
    assert first[1] == second[1] == ["Preempted", asked, 1]
    assert first[2] == ["Preempted", asked, 4] and second[2] == ["Preempted", asked, 3]
    assert [first[3][0], second[3][0]] == 2 * ["DiskShortage"]
    for number in range(3):
        assert find_latest_checkpoint(tmp_path / f"run{number}").name == "iter_2.pth"


def test_two_processes_train_both_stages_and_measure_like_one(build, tiny_config, tmp_path):
    options = {"launcher": "pytorch"}
    stage1 = tiny_config(STAGE1, tmp_path / "stage1", options)
    options["load_from"] = str(tmp_path / "stage1" / "iter_4.pth")
    stage2 = tiny_config(STAGE2, tmp_path / "stage2", options)
    options["load_from"] = str(tmp_path / "stage2" / "iter_4.pth")
    options["test_dataloader.dataset.indices"] = 23  # uneven: the sampler repeats one frame
    test = tiny_config(STAGE2, tmp_path / "test", options)
    both = load(_run_twofold(tmp_path, stage1, stage2, test))
    alone = build(STAGE2, "alone", {**options, "launcher": "none"}).test()
    assert both["num_hands"] == alone["num_hands"] == 23
    assert both == pytest.approx(alone, rel=1e-4)
