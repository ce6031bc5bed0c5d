import pytest
import torch

from handvit.datasets import HandClipDataset
from handvit.engine.checkpoints import read_checkpoint
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


def test_validation_comes_at_intervals_and_at_the_end(build):
    runner = build(RECIPE, "run", {"train_cfg.max_iters": 3})
    seen = []
    runner.build_val_loop(runner._val_loop)
    evaluate = type(runner.val_loop).run

    def spy(self):
        seen.append(runner.iter)
        return evaluate(self)

    type(runner.val_loop).run = spy
    try:
        runner.train()
    finally:
        type(runner.val_loop).run = evaluate
    assert seen == [2, 3]


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
        RUNNERS.build(cfg).train()
        return read_checkpoint(tmp_path / name / "iter_6.pth")["state_dict"]

    whole = train("whole", {})
    middle = str(tmp_path / "whole" / "iter_4.pth")
    again = train("resumed", {"resume": True, "load_from": middle})
    torch.testing.assert_close(again, whole, rtol=0, atol=0)


def test_a_sampler_that_cannot_resume_is_refused(build):
    sampler = {"train_dataloader.sampler.type": "DefaultSampler"}
    with pytest.raises(ValueError, match="DefaultSampler cannot resume; use sampler=dict"):
        build(RECIPE, "run", sampler).train()
