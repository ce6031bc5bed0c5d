import os
import resource
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from mmengine.hooks import Hook

from handvit.engine.checkpoints import read_checkpoint
from handvit.engine.failure_dump import read_failure
from handvit.engine.replay import replay
from handvit.engine.training_stop import NonFiniteError

RECIPE = "stage1_tiny.py"
GUARD = {"default_hooks.finite_guard": dict(type="FiniteGuardHook")}
SKIP = {"default_hooks.finite_guard": dict(type="FiniteGuardHook", max_skipped=1)}
KINDS = ["NanLoss", "NanConstant", "NanGradient"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_training_stops_before_the_step(build, tmp_path, poison, third_sample, kind):
    runner = build(RECIPE, "run", {**GUARD, **poison(kind)})
    path = tmp_path / "run" / "failures" / "iter_3_rank0.pt"
    with pytest.raises(NonFiniteError, match=rf"iteration 3: .*{third_sample}.*{path}"):
        runner.train()
    failure = read_failure(path)
    assert third_sample in failure["sample_ids"]
    findings = failure["findings"]
    assert findings.losses == ([] if kind == "NanGradient" else ["loss_poison"])
    assert bool(findings.gradients) == (kind != "NanConstant")
    assert not findings.weights
    before = read_checkpoint(tmp_path / "run" / "iter_2.pth")
    for now in (failure, {"state_dict": runner.model.state_dict()}):
        _assert_same_weights(now["state_dict"], before["state_dict"])
    torch.testing.assert_close(failure["optimizer"]["state"], before["optimizer"]["state"])


def _assert_same_weights(state_dict, expected):
    statistics = ("running_mean", "running_var", "num_batches_tracked")  # of the forward pass
    for name, value in state_dict.items():
        if not name.endswith(statistics):
            torch.testing.assert_close(value, expected[name], rtol=0, atol=0)


@pytest.mark.parametrize("kind", KINDS)
def test_a_step_left_out_changes_nothing(build, tmp_path, poison, kind):
    spy = _Spy()
    runner = build(RECIPE, "run", {**SKIP, **poison(kind)})
    runner.register_hook(spy)
    runner.train()
    torch.testing.assert_close(spy.states[3][0], spy.states[2][0], rtol=0, atol=0)
    assert spy.states[3][1] == spy.states[2][1]  # Adam's moments and its number of steps
    assert spy.states[4][1] != spy.states[3][1]
    assert runner.message_hub.get_scalar("train/skipped_steps").current() == 1
    assert (tmp_path / "run" / "failures" / "iter_3_rank0.pt").exists()
    weights = read_checkpoint(tmp_path / "run" / "iter_4.pth")["state_dict"]
    assert all(value.isfinite().all() for value in weights.values())


class _Spy(Hook):
    def __init__(self):
        self.states = {}

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        weights = {name: value.clone() for name, value in runner.model.state_dict().items()}
        moments = [
            [state["step"].item(), state["exp_avg"].sum().item(), state["exp_avg_sq"].sum().item()]
            for state in runner.optim_wrapper.state_dict()["state"].values()
        ]
        self.states[runner.iter + 1] = weights, moments


def test_the_limit_holds_for_a_resumed_training_too(build, tmp_path, poison):
    options = {**SKIP, **poison("NanLoss"), "train_cfg.max_iters": 100}
    with pytest.raises(NonFiniteError, match="iteration"):
        build(RECIPE, "run", options).train()
    latest = max((tmp_path / "run").glob("iter_*.pth"), key=lambda path: int(path.stem[5:]))
    assert latest.stem != "iter_2"  # the first one was left out
    resumed = build(RECIPE, "run", {**options, "resume": True, "load_from": str(latest)})
    with pytest.raises(NonFiniteError, match="iteration"):
        resumed.train()
    assert resumed.message_hub.get_scalar("train/skipped_steps").current() == 1


def test_weights_that_are_not_finite_are_named(build, tmp_path):
    runner = build(RECIPE, "run", GUARD)
    runner.register_hook(_SpoilWeights(at=3))
    with pytest.raises(NonFiniteError, match=r"weights were not finite before: head\."):
        runner.train()
    failure = read_failure(tmp_path / "run" / "failures" / "iter_3_rank0.pt")
    assert len(failure["findings"].weights) == 1


def test_weights_that_are_not_finite_are_not_saved(build, tmp_path):
    runner = build(RECIPE, "run", GUARD)
    runner.register_hook(_SpoilWeights(at=2, after=True), priority="VERY_HIGH")
    with pytest.raises(NonFiniteError, match=r"iteration 2: head.*no checkpoint is written"):
        runner.train()
    assert not list((tmp_path / "run").glob("*.pth"))


class _SpoilWeights(Hook):
    def __init__(self, *, at, after=False):
        self.at, self.after = at, after

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        self._spoil(runner, not self.after)

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        self._spoil(runner, self.after)

    @torch.no_grad()
    def _spoil(self, runner, is_time):
        if is_time and runner.iter + 1 == self.at:
            next(runner.model.head.parameters()).view(-1)[0] = float("inf")


def test_accumulated_gradients_are_judged_where_the_step_is_made(build, tmp_path, poison):
    options = {**SKIP, "optim_wrapper.accumulative_counts": 4, "optim_wrapper.clip_grad": None}
    options |= {"default_hooks.checkpoint.interval": 4, "train_cfg.val_interval": 4}
    runner = build(RECIPE, "run", {**options, **poison("NanLoss")})
    runner.train()
    names = [path.name for path in (tmp_path / "run" / "failures").iterdir()]
    assert names == ["iter_3_rank0.pt"]  # the culprit of the four
    assert not runner.optim_wrapper.optimizer.state


def test_a_full_disk_does_not_hide_the_reason(build, tmp_path, poison):
    runner = build(RECIPE, "run", {**GUARD, **poison("NanLoss")})
    runner.register_hook(_LimitFiles())
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        with pytest.raises(NonFiniteError, match=r"loss_poison.*could not be written") as stopped:
            runner.train()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert not list((tmp_path / "run" / "failures").iterdir()), stopped.value


class _LimitFiles(Hook):
    def before_train_iter(self, runner, batch_idx, data_batch=None):
        if runner.iter == 2:
            hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
            resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, hard))


@pytest.mark.parametrize("is_fused", [True, False])
def test_an_overflow_of_scaled_gradients_is_no_failure(build, tmp_path, is_fused):
    options = {"optim_wrapper.type": "FP16OptimWrapper", "optim_wrapper.init_scale": 2.0**127}
    runner = build(RECIPE, "run", {**GUARD, **options, "optim_wrapper.optimizer.fused": is_fused})
    runner.train()
    assert runner.optim_wrapper.loss_scaler.get_scale() < 2.0**127  # it did overflow
    assert not (tmp_path / "run" / "failures").exists()


@pytest.mark.parametrize("is_fused", [True, False])
@pytest.mark.parametrize("kind", ["NanLoss", "NanGradient"])
def test_scaling_hides_no_failure(build, poison, is_fused, kind):
    scale = 2.0**4 if kind == "NanLoss" else 1.0  # a scale of one cannot be to blame
    options = {"optim_wrapper.type": "FP16OptimWrapper", "optim_wrapper.init_scale": scale}
    options["optim_wrapper.optimizer.fused"] = is_fused
    with pytest.raises(NonFiniteError, match="iteration 3"):
        build(RECIPE, "run", {**GUARD, **options, **poison(kind)}).train()


def test_it_lets_go_of_a_training_that_broke_off(build):
    runner = build(RECIPE, "run", GUARD)
    (guard,) = (hook for hook in runner.hooks if type(hook).__name__ == "FiniteGuardHook")
    runner.train()
    guard.before_train(runner)
    guard.before_train(runner)
    optimizer = runner.optim_wrapper.optimizer
    assert len(optimizer._optimizer_step_pre_hooks) == len(runner.model._forward_hooks) == 1
    guard.after_train(runner)
    assert not optimizer._optimizer_step_pre_hooks


_THREE_TRAININGS = """
import os, signal, sys
from mmengine.config import Config
from mmengine.hooks import Hook
from handvit.engine.training_stop import NonFiniteError
from handvit.registry import RUNNERS


def run(path, *hooks):
    runner = RUNNERS.build(Config.fromfile(path))
    for hook in hooks:
        runner.register_hook(hook)
    runner.train()
    return runner


class Die(Hook):
    def before_train_iter(self, runner, batch_idx, data_batch=None):
        if runner.rank == 1 and runner.iter == 1:
            os.kill(os.getpid(), signal.SIGKILL)


skips, stops, dies = sys.argv[1:]
runner = run(skips)
assert runner.message_hub.get_scalar("train/skipped_steps").current() == 1
try:
    run(stops)
    raise AssertionError("went on")
except NonFiniteError as error:
    print(f"rank {runner.rank}: {error}", file=sys.stderr, flush=True)
run(dies, Die())
"""


def test_two_processes_decide_alike_and_none_waits_for_a_dead_one(tiny_config, tmp_path, poison):
    """Only one process has the sample; the second model is sharded; at last a process is killed."""
    (tmp_path / "run.py").write_text(_THREE_TRAININGS)
    bad = poison("NanConstant")  # its gradients are finite, and reach both
    paths = []
    for name, options in (("skips", {**SKIP, **bad}), ("stops", {**GUARD, **bad}), ("dies", GUARD)):
        options = {**options, "launcher": "pytorch", "train_dataloader.batch_size": 1}
        options |= {"train_cfg.max_iters": 5, "train_cfg.val_begin": 100}
        options["default_hooks.checkpoint.interval"] = 100
        if name == "stops":
            options["runner_type"] = "FullyShardedRunner"
        paths.append(str(tmp_path / f"{name}.py"))
        tiny_config(RECIPE, tmp_path / name, options).dump(paths[-1])
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node=2"]
    command += ["--rdzv-backend=c10d", "--rdzv-endpoint=127.0.0.1:0", str(tmp_path / "run.py")]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    start = time.monotonic()
    result = subprocess.run(
        [*command, *paths],
        capture_output=True,
        text=True,
        timeout=100,
        env=environment,
        check=False,
    )
    assert time.monotonic() - start < 60
    assert result.returncode == 1
    assert "Signal 9 (SIGKILL) received by PID" in result.stderr, result.stderr[-4000:]
    (dump,) = (tmp_path / "stops" / "failures").iterdir()
    assert [path.name for path in (tmp_path / "skips" / "failures").iterdir()] == [dump.name]
    failure = read_failure(dump)
    assert replay(failure, "cpu").reproduces(failure["findings"])
    guilty = dump.stem[-1]
    assert f"rank {guilty}: iteration" in result.stderr
    innocent = "01".replace(guilty, "")
    assert f"rank {innocent}: iteration" in result.stderr
    assert "a loss of another process is not finite" in result.stderr
