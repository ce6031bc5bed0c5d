import os
import signal

import pytest
import torch
from mmengine.hooks import Hook
from mmengine.runner import ValLoop

from handvit.datasets import HandClipDataset
from handvit.engine.checkpoints import find_latest_checkpoint, read_checkpoint
from handvit.engine.training_stop import Preempted
from handvit.registry import RUNNERS

RECIPE = "stage1_tiny.py"


def test_a_resumed_run_equals_an_uninterrupted_one(build, tmp_path):
    build(RECIPE, "whole", {"train_cfg.max_iters": 6}).train()
    resumed = {
        "resume": True,
        "load_from": str(tmp_path / "whole" / "iter_2.pth"),
        "train_cfg.max_iters": 6,
    }
    torch.rand(100)  # the interrupted process left its random state elsewhere
    build(RECIPE, "resumed", resumed).train()
    whole = read_checkpoint(tmp_path / "whole" / "iter_6.pth")
    again = read_checkpoint(tmp_path / "resumed" / "iter_6.pth")
    for key in ("state_dict", "optimizer"):
        torch.testing.assert_close(again[key], whole[key], rtol=0, atol=0)
    history = [
        ckpt["message_hub"]["log_scalars"]["train/loss"]["handvit_history"][0]
        for ckpt in (whole, again)
    ]
    torch.testing.assert_close(history[0], history[1], rtol=0, atol=0)


def test_resuming_reads_no_old_batches(build, tmp_path, monkeypatch):
    build(RECIPE, "first").train()
    options = {
        "resume": True,
        "load_from": str(tmp_path / "first" / "iter_4.pth"),
        "train_cfg.max_iters": 5,
        "train_cfg.val_interval": 100,
        "train_cfg.val_begin": 100,
    }
    runner = build(RECIPE, "second", options)
    reads = []
    read = HandClipDataset.read_clip

    def counted_read(self, index, *place):
        reads.append(index)
        return read(self, index, *place)

    monkeypatch.setattr(HandClipDataset, "read_clip", counted_read)
    runner.train()
    assert runner.iter == 5
    assert len(reads) == 3  # one batch


def _train(runner) -> None:
    """Train, and end the loader's workers: torch waits 5 s for each that is garbage in a cycle."""
    try:
        runner.train()
    finally:
        batches = runner.train_loop.dataloader_iterator._iterator
        if runner.train_dataloader.num_workers > 0:
            batches._shutdown_workers()


class _SignalAt(Hook):
    """Send SIGTERM to this process at one iteration, counted from one."""

    def __init__(self, iteration):
        self.iteration = iteration

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        if batch_idx + 1 == self.iteration:
            os.kill(os.getpid(), signal.SIGTERM)


def test_a_run_preempted_between_two_steps_resumes_exactly(build, tmp_path):
    options = {
        "train_cfg.max_iters": 8,
        "train_cfg.val_interval": 4,
        "default_hooks.checkpoint.interval": 8,
        "optim_wrapper.accumulative_counts": 2,
        "custom_hooks": [
            dict(type="DropoutWarmupHook", part="head", num_iters=5),
            dict(type="HandEMAHook", momentum=0.1, update_buffers=True),
        ],
        "train_dataloader.num_workers": 2,
        "train_dataloader.persistent_workers": True,
    }
    _train(build(RECIPE, "whole", options))
    preempted = build(RECIPE, "run", options)
    preempted.register_hook(_SignalAt(5))
    with pytest.raises(Preempted, match=r"after iteration 6: saved .*/run/iter_6\.pth$"):
        _train(preempted)
    assert not list((tmp_path / "run").glob("best*6*"))
    torch.rand(100)  # the preempted process left its random state elsewhere
    resumed = {"resume": True, "load_from": str(find_latest_checkpoint(tmp_path / "run"))}
    _train(build(RECIPE, "run", options | resumed))
    whole, again = (read_checkpoint(tmp_path / name / "iter_8.pth") for name in ("whole", "run"))
    for key in ("state_dict", "ema_state_dict", "optimizer"):
        torch.testing.assert_close(again[key], whole[key], rtol=0, atol=0)
    assert again["param_schedulers"] == whole["param_schedulers"]
    assert _history(again, "train/loss") == _history(whole, "train/loss")
    assert _history(again, "val/mpjpe_cam") == _history(whole, "val/mpjpe_cam")


def _history(checkpoint, name) -> list[float]:
    return checkpoint["message_hub"]["log_scalars"][name]["handvit_history"][0].tolist()


@pytest.fixture
def validated(monkeypatch) -> list[int]:
    """The iterations that were validated to the end."""
    seen, run = [], ValLoop.run

    def noted_run(self):
        metrics = run(self)
        seen.append(self.runner.iter)
        return metrics

    monkeypatch.setattr(ValLoop, "run", noted_run)
    return seen


def test_validation_comes_at_intervals_and_at_the_end(build, validated):
    build(RECIPE, "run", {"train_cfg.max_iters": 3}).train()
    assert validated == [2, 3]


def test_a_validation_that_did_not_end_is_repeated_and_no_other(build, tmp_path, validated):
    class Crash(Hook):
        def after_val_iter(self, runner, *details, **more):
            raise RuntimeError("gone")

    crashing = build(RECIPE, "run")
    crashing.register_hook(Crash())
    with pytest.raises(RuntimeError, match="gone"):
        crashing.train()
    resume = {"resume": True, "load_from": str(tmp_path / "run" / "iter_2.pth")}
    build(RECIPE, "run", resume).train()
    assert validated == [2, 4]
    build(RECIPE, "run", resume).train()  # now it is noted there
    assert validated == [2, 4, 4]
    again = build(RECIPE, "run", resume | {"load_from": str(tmp_path / "run" / "iter_4.pth")})
    again.train()
    assert validated == [2, 4, 4]
    assert len(list((tmp_path / "run").glob("best*"))) == 1


@pytest.mark.parametrize("num_workers", [0, 2])
def test_a_resumed_stream_equals_an_uninterrupted_one(
    tiny_config, tmp_path, make_shards, num_workers
):
    root = make_shards(max_samples=5)

    def train(name, options):
        cfg = tiny_config(RECIPE, tmp_path / name, {"train_cfg.max_iters": 6, **options})
        loader = cfg.train_dataloader
        loader.pop("dataset")
        loader.dataset = dict(type="StreamingClipDataset", url=f"{root}/{{file}}", shuffle_buffer=7)
        loader.sampler = None
        loader.num_workers, loader.persistent_workers = num_workers, num_workers > 0
        _train(RUNNERS.build(cfg))
        return read_checkpoint(tmp_path / name / "iter_6.pth")["state_dict"]

    whole = train("whole", {})
    middle = str(tmp_path / "whole" / "iter_4.pth")
    again = train("resumed", {"resume": True, "load_from": middle})
    torch.testing.assert_close(again, whole, rtol=0, atol=0)


def test_a_sampler_that_cannot_resume_is_refused(build):
    sampler = {"train_dataloader.sampler.type": "DefaultSampler"}
    with pytest.raises(ValueError, match="DefaultSampler cannot resume; use sampler=dict"):
        build(RECIPE, "run", sampler).train()
