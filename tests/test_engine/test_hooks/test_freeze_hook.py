import subprocess
import sys
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from mmengine.config import Config
from mmengine.hooks import Hook

from handvit.engine.checkpoints import read_checkpoint
from handvit.engine.fully_sharded_model import FullyShardedModel
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
        # As a recipe does it: an entry here, since custom_hooks would replace those of its bases.
        cfg.default_hooks.freezing = dict(type="FreezeHook", schedule=list(periods or [WARM_UP]))
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


def test_what_is_always_frozen_stays_so_when_training_is_called_again(config):
    """Ctrl-C came amid a period, whose pattern is no other than those of the whole training."""
    cfg = config("run", dict(pattern="backbone", end=3), **{"model.frozen": ["neck"]})
    runner = RUNNERS.build(cfg)
    runner.register_hook(_StopOnce(1))
    with pytest.raises(KeyboardInterrupt):
        runner.train()
    assert runner.model.frozen == ("neck", "backbone")
    runner.train()
    assert runner.model.frozen == ("neck",)


class _StopOnce(Hook):
    def __init__(self, iteration):
        self.iteration = iteration

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        if runner.iter == self.iteration:
            self.iteration = None
            raise KeyboardInterrupt


@pytest.mark.parametrize(
    ("period", "message"),
    [
        (dict(pattern="neck", begin=5, end=5), "'neck' is frozen from 5 to 5; begin must be small"),
        (dict(pattern="neck", begin=-1), "'neck' is frozen from -1 to None.*not negative"),
        (dict(pattern="neck"), r"'neck' is frozen for the whole.*model\.frozen"),
        (dict(patern="neck", end=2), r"\{'patern': 'neck', 'end': 2\} must have the key pattern"),
        (dict(pattern="neck", until=2), "may have begin and end only"),
    ],
)
def test_wrong_periods_are_named(period, message):
    with pytest.raises(ValueError, match=rf"FreezeHook\.schedule: .*{message}"):
        FreezeHook(schedule=[period])


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("nekc", "the model has no part 'nekc'.*neck"),
        ("neck", r"'neck' is frozen for the whole training by model\.frozen=\['neck'\]"),
        ("neck.*", r"'neck\.\*' is frozen for the whole training"),
        ("[!l]*", "nothing learns from iteration 2 on"),
    ],
)
def test_schedules_that_do_not_fit_the_model_are_refused_at_the_start(config, pattern, message):
    period = dict(pattern=pattern, begin=2, end=9)
    runner = RUNNERS.build(config("run", period, **{"model.frozen": ["neck"]}))
    with pytest.raises(ValueError, match=rf"FreezeHook\.schedule: {message}"):
        runner.train()
    assert runner.iter == 0


def test_a_sharded_model_is_refused():
    runner = SimpleNamespace(model=FullyShardedModel.__new__(FullyShardedModel))
    with pytest.raises(ValueError, match=r"FullyShardedRunner.*use HandRunner, or model"):
        FreezeHook(schedule=[WARM_UP]).before_train(runner)


_TWO_RANKS = """
import sys
import weakref

import torch
from mmengine.config import Config
from mmengine.hooks import Hook
from torch.distributed.algorithms.ddp_comm_hooks.default_hooks import allreduce_hook
from handvit.registry import RUNNERS


class Look(Hook):
    def __init__(self):
        self.wrapper = lambda: None
        self.reduced, self.gradients, self.outlived = [], [], []

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        self.reduced.append(0)
        if self.wrapper() is not runner.model:
            self.wrapper = weakref.ref(runner.model)
            runner.model.register_comm_hook(None, self.reduce)

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        backbone = runner.model.module.backbone
        self.gradients.append(sum(p.grad is not None for p in backbone.parameters()))

    def reduce(self, state, bucket):
        self.reduced[-1] += bucket.buffer().numel()
        return allreduce_hook(state, bucket)


def train(path):
    runner = RUNNERS.build(Config.fromfile(path))
    look, wrap = Look(), runner.wrap_model

    def wrap_model(*arguments):
        look.outlived.append(look.wrapper() is not None)
        return wrap(*arguments)

    runner.wrap_model = wrap_model
    runner.register_hook(look, "LOWEST")
    runner.train()
    found = (runner.model.module.state_dict(), look.reduced, look.gradients, look.outlived)
    torch.save(found, f"{path}.{runner.rank}")


for path in sys.argv[1:]:
    train(path)
"""


@pytest.fixture
def on_two(config, tmp_path) -> dict[str, list[tuple]]:
    """Train whole, and from checkpoints 2 and 3, on two processes; return what each has found."""
    options = {"launcher": "pytorch", "default_hooks.ema": dict(type="HandEMAHook", momentum=0.1)}
    configs = {"whole": config("whole", **options)}
    for number in (2, 3):
        path = str(tmp_path / "whole" / f"iter_{number}.pth")
        configs[f"from_{number}"] = config(f"from_{number}", resume=True, load_from=path, **options)
    for name, cfg in configs.items():
        cfg.dump(tmp_path / f"{name}.py")
    (tmp_path / "run.py").write_text(_TWO_RANKS)
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node=2"]
    command += ["--rdzv-backend=c10d", "--rdzv-endpoint=127.0.0.1:0", str(tmp_path / "run.py")]
    command += [str(tmp_path / f"{name}.py") for name in configs]
    result = subprocess.run(command, capture_output=True, text=True, check=False, timeout=240)
    assert result.returncode == 0, result.stdout[-2000:] + result.stderr[:6000]
    return {
        name: [torch.load(tmp_path / f"{name}.py.{rank}") for rank in (0, 1)] for name in configs
    }


def test_two_processes_wrap_the_model_anew(on_two, tmp_path):
    """Equal weights, gradients of what learns only, each reduced once, and exact resumes."""
    (weights, reduced, gradients, outlived), (others, *_) = on_two["whole"]
    torch.testing.assert_close(others, weights, rtol=0, atol=0)
    saved = read_checkpoint(tmp_path / "whole" / "iter_6.pth")
    for name in ("from_2", "from_3"):
        for resumed, *_ in on_two[name]:
            torch.testing.assert_close(resumed, weights, rtol=0, atol=0)
        again = read_checkpoint(tmp_path / name / "iter_6.pth")
        for part in ("state_dict", "ema_state_dict", "optimizer"):
            torch.testing.assert_close(again[part], saved[part], rtol=0, atol=0)
    statistics = ("running_mean", "running_var", "num_batches_tracked")
    sizes = [
        value.numel()
        for name, value in weights.items()
        if name.startswith("backbone.") and not name.endswith(statistics)
    ]
    assert gradients == [0, 0, 0, *[len(sizes)] * 3]
    assert reduced == [*[reduced[0]] * 3, *[reduced[0] + sum(sizes)] * 3]
    assert outlived == [False, False]  # at the start, and where the backbone begins to learn
