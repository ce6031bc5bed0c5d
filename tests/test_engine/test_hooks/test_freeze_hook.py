import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
import torch
from mmengine.config import Config
from mmengine.hooks import Hook

from handvit.engine.checkpoints import read_checkpoint
from handvit.engine.hooks import FreezeHook
from handvit.registry import RUNNERS

STAGE1 = "stage1_tiny.py"
WARM_UP = dict(pattern="backbone", end=3)


@pytest.fixture
def config(tiny_config, tmp_path) -> Callable[..., Config]:
    """Return ``make(name, *periods)``: a training of six iterations with a frozen schedule."""

    def make(name: str, *periods: dict[str, Any], **options: Any) -> Config:
        cfg = tiny_config(STAGE1, tmp_path / name, options)
        cfg.train_cfg.update(max_iters=6, val_interval=10, val_begin=10)
        cfg.default_hooks.checkpoint.update(interval=1, max_keep_ckpts=-1)
        cfg.optim_wrapper.optimizer.weight_decay = 0.1
        cfg.custom_hooks = [dict(type="FreezeHook", schedule=list(periods or [WARM_UP]))]
        return cfg

    return make


@pytest.fixture
def train(config, tmp_path):
    """Return ``train(name, *periods)``: the weights after each iteration, from 1 on."""

    def run(name: str, *periods: dict[str, Any], **options: Any) -> dict[int, dict[str, Any]]:
        RUNNERS.build(config(name, *periods, **options)).train()
        paths = (tmp_path / name).glob("iter_*.pth")
        return {int(path.stem.split("_")[1]): read_checkpoint(path) for path in paths}

    return run


def _moved(saved: dict[int, dict[str, Any]], part: str, iteration: int) -> bool:
    """Say whether a part changed in an iteration: weights and running statistics."""
    before, after = (saved[number]["state_dict"] for number in (iteration - 1, iteration))
    return any(not torch.equal(before[name], after[name]) for name in after if part in name)


def test_a_part_waits_and_then_learns(train):
    saved = train("run")
    # Checkpoint N holds what iterations 0 to N - 1 did.
    moved = [_moved(saved, "backbone.", number) for number in (2, 3, 4, 5)]
    assert moved == [0, 0, 1, 1]
    assert all(_moved(saved, "head.", number) for number in (2, 3, 4, 5))


def test_a_layer_is_frozen_in_the_midst_of_the_training(train):
    saved = train("run", dict(pattern="head.*.blocks.1", begin=2, end=4))
    moved = [_moved(saved, "head.decoder.blocks.1.", number) for number in (2, 3, 4, 5, 6)]
    assert moved == [1, 0, 0, 1, 1]
    assert all(_moved(saved, "head.decoder.blocks.0.", number) for number in (2, 3, 4, 5, 6))


def test_the_optimizer_keeps_nothing_about_what_is_frozen(train):
    saved = train("run", dict(pattern="backbone", end=2), dict(pattern="backbone", begin=4, end=5))
    groups = [group["params"] for group in saved[1]["optimizer"]["param_groups"]]
    num_states = [len(saved[number]["optimizer"]["state"]) for number in range(1, 7)]
    num_all = sum(map(len, groups))
    num_frozen = num_all - num_states[0]
    assert num_frozen > 0
    expected = [num_all - num_frozen * frozen for frozen in (1, 1, 0, 0, 1, 0)]
    assert num_states == expected
    assert [group["params"] for group in saved[6]["optimizer"]["param_groups"]] == groups


@pytest.mark.parametrize("iteration", [1, 2, 4])
def test_a_run_resumed_anywhere_is_the_same(train, tmp_path, iteration):
    periods = [dict(pattern="backbone", end=2), dict(pattern="backbone", begin=4, end=5)]
    whole = train("whole", *periods)[6]
    path = str(tmp_path / "whole" / f"iter_{iteration}.pth")
    again = train("again", *periods, resume=True, load_from=path)[6]
    for part in ("state_dict", "optimizer"):
        torch.testing.assert_close(again[part], whole[part], rtol=0, atol=0)


def test_no_frozen_parameter_has_a_gradient(config):
    runner = RUNNERS.build(config("run", dict(pattern="backbone", begin=2, end=4)))
    hook = _LookAtSteps("backbone")
    runner.register_hook(hook)
    runner.train()
    assert [count > 0 for count in hook.num_gradients] == [1, 1, 0, 0, 1, 1]
    assert hook.was_training == [1, 1, 0, 0, 1, 1]


class _LookAtSteps(Hook):
    """Note at each step of the optimizer how many gradients a part has, and its mode."""

    def __init__(self, part):
        self.part, self.num_gradients, self.was_training = part, [], []

    def before_train(self, runner):
        part = getattr(runner.model, self.part)

        def look(*arguments):
            self.num_gradients.append(sum(p.grad is not None for p in part.parameters()))
            self.was_training.append(part.training)

        runner.optim_wrapper.optimizer.register_step_pre_hook(look)


def test_periods_and_the_parts_that_are_always_frozen_add_up(train):
    frozen = {"model.frozen": ["neck"]}
    saved = train("run", dict(pattern="head.shape_head", begin=2, end=4), **frozen)
    assert not any(_moved(saved, "neck.", number) for number in (2, 3, 4, 5, 6))
    moved = [_moved(saved, "head.shape_head.", number) for number in (2, 3, 4, 5, 6)]
    assert moved == [1, 0, 0, 1, 1]


def test_wrong_schedules_are_named(config):
    with pytest.raises(ValueError, match="'neck' is frozen from 5 to 5; begin must be smaller"):
        FreezeHook(schedule=[dict(pattern="neck", begin=5, end=5)])
    with pytest.raises(ValueError, match=r"'neck' is frozen for the whole.*model\.frozen"):
        FreezeHook(schedule=[dict(pattern="neck")])
    with pytest.raises(ValueError, match=r"FreezeHook\.schedule: the model has no part 'nekc'"):
        RUNNERS.build(config("run", dict(pattern="nekc", end=2))).train()


_TWO_RANKS = """
import sys
import torch
from mmengine.config import Config
from mmengine.hooks import Hook
from handvit.registry import RUNNERS

class CountReductions(Hook):
    def before_train_iter(self, runner, batch_idx, data_batch=None):
        self.count = 0
        if getattr(self, "wrapper", None) is not runner.model:
            self.wrapper = runner.model
            runner.model.register_comm_hook(self, reduce_bucket)

def reduce_bucket(hook, bucket):
    hook.count += bucket.buffer().numel()
    hook.counts[hook.runner.iter] = hook.count
    from torch.distributed.algorithms.ddp_comm_hooks.default_hooks import allreduce_hook
    return allreduce_hook(None, bucket)

for path in sys.argv[1:]:
    runner = RUNNERS.build(Config.fromfile(path))
    hook = CountReductions()
    hook.runner, hook.counts = runner, {}
    runner.register_hook(hook, "LOWEST")
    runner.train()
    torch.save((runner.model.module.state_dict(), hook.counts), f"{path}.{runner.rank}")
"""


def test_two_processes_wrap_the_model_anew(config, tmp_path):
    """Equal weights, the reductions of what learns and no others, and an exact resume."""
    periods = [dict(pattern="backbone", end=3)]
    whole = config("whole", *periods, launcher="pytorch")
    path = str(tmp_path / "whole" / "iter_2.pth")
    again = config("again", *periods, launcher="pytorch", resume=True, load_from=path)
    files = [str(tmp_path / f"{name}.py") for name in ("whole", "again")]
    for cfg, file in zip((whole, again), files, strict=True):
        cfg.dump(file)
    script = tmp_path / "run.py"
    script.write_text(_TWO_RANKS)
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node=2"]
    command += ["--rdzv-backend=c10d", "--rdzv-endpoint=127.0.0.1:0", str(script), *files]
    result = subprocess.run(command, capture_output=True, text=True, check=False, timeout=240)
    assert result.returncode == 0, result.stdout[-2000:] + result.stderr[:6000]
    (first, counts), (second, _) = (torch.load(f"{files[0]}.{rank}") for rank in (0, 1))
    learned = {name: value for name, value in first.items() if "running" not in name}
    torch.testing.assert_close({name: second[name] for name in learned}, learned, rtol=0, atol=0)
    resumed, _ = torch.load(f"{files[1]}.0")
    torch.testing.assert_close(resumed, first, rtol=0, atol=0)
    backbone = {n: v for n, v in first.items() if n.startswith("backbone.") and "running" not in n}
    sizes = [counts[iteration] for iteration in range(6)]
    assert sizes[0] == sizes[1] == sizes[2] and sizes[3] == sizes[4] == sizes[5]
    num_backbone = sum(v.numel() for n, v in backbone.items() if "num_batches" not in n)
    assert sizes[3] - sizes[2] == num_backbone
