import torch

from handvit.engine.checkpoints import read_checkpoint

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
    from handvit.datasets import HandClipDataset

    read = HandClipDataset.__getitem__
    monkeypatch.setattr(
        HandClipDataset, "__getitem__", lambda self, i: (reads.append(i), read(self, i))[1]
    )
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
