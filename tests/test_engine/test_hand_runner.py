import os
import signal
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest
import torch
from mmengine.fileio import load
from mmengine.hooks import Hook

from handvit.engine.checkpoints import read_checkpoint

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
    with pytest.raises(ValueError, match="does not fit this config's model"):
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


def _run_twofold(tmp_path: Path, *configs) -> dict[str, float]:
    """Train with all configs but the last, test with that one, on two processes."""
    script, out = tmp_path / "run.py", tmp_path / "metrics.json"
    script.write_text(_TWO_STAGES)
    paths = [tmp_path / f"config_{number}.py" for number in range(len(configs))]
    for cfg, path in zip(configs, paths, strict=True):
        cfg.dump(str(path))
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node=2"]
    command += ["--rdzv-backend=c10d", "--rdzv-endpoint=127.0.0.1:0", str(script)]
    command += [*map(str, paths), str(out)]
    result = subprocess.run(command, capture_output=True, text=True, check=False, timeout=240)
    assert result.returncode == 0, result.stdout[-2000:] + result.stderr[:6000]
    return load(out)


def test_two_processes_train_both_stages_and_measure_like_one(build, tiny_config, tmp_path):
    options = {"launcher": "pytorch"}
    stage1 = tiny_config(STAGE1, tmp_path / "stage1", options)
    options["load_from"] = str(tmp_path / "stage1" / "iter_4.pth")
    stage2 = tiny_config(STAGE2, tmp_path / "stage2", options)
    options["load_from"] = str(tmp_path / "stage2" / "iter_4.pth")
    options["test_dataloader.dataset.indices"] = 23  # uneven: the sampler repeats one frame
    both = _run_twofold(tmp_path, stage1, stage2, tiny_config(STAGE2, tmp_path / "test", options))
    alone = build(STAGE2, "alone", {**options, "launcher": "none"}).test()
    assert both["num_hands"] == alone["num_hands"] == 23
    assert both == pytest.approx(alone, rel=1e-4)
