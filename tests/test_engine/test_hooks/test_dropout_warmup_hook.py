from types import SimpleNamespace

import pytest
import torch
from mmengine.hooks import Hook
from mmengine.model import MMDistributedDataParallel
from torch import nn

from handvit.engine.checkpoints import read_checkpoint
from handvit.engine.hooks import DropoutWarmupHook

STAGE1 = "stage1_tiny.py"


class Parts(nn.Module):
    def __init__(self):
        super().__init__()
        self.backbone = nn.Sequential(nn.Linear(2, 2), nn.Dropout(0.3))
        self.head = nn.Sequential(nn.Dropout(0.1), nn.Sequential(nn.Linear(2, 2), nn.Dropout(0.2)))
        self.neck = nn.Linear(2, 2)


class Recorder(Hook):
    """Note the dropout in use, by iteration; it runs after the hook in question."""

    priority = "VERY_LOW"

    def __init__(self):
        self.used = {}

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        self.used[runner.iter] = _dropout(runner.model.head)


def _dropout(module):
    return [m.p for m in module.modules() if isinstance(m, nn.Dropout)]


def _train(hook, runner, iterations):
    hook.before_train(runner)
    used = []
    for runner.iter in iterations:
        hook.before_train_iter(runner, runner.iter)
        used.append(_dropout(runner.model))
    return used


def test_dropout_of_the_part_starts_after_the_given_number_of_iterations():
    runner = SimpleNamespace(model=Parts())
    used = _train(DropoutWarmupHook(num_iters=2), runner, range(4))
    assert used == [[0.3, 0.0, 0.0]] * 2 + [[0.3, 0.1, 0.2]] * 2


def test_the_end_of_training_restores_it():
    runner = SimpleNamespace(model=Parts())
    hook = DropoutWarmupHook(num_iters=100)
    _train(hook, runner, range(3))
    hook.after_train(runner)
    assert _dropout(runner.model) == [0.3, 0.1, 0.2]


def test_a_training_that_broke_off_is_no_configuration():
    """As when ``runner.train()`` is called again after Ctrl-C in a notebook."""
    runner, hook = SimpleNamespace(model=Parts()), DropoutWarmupHook(num_iters=3)
    _train(hook, runner, range(2))  # no after_train
    assert _train(hook, runner, range(2, 4)) == [[0.3, 0.0, 0.0], [0.3, 0.1, 0.2]]
    hook.after_train(runner)
    assert _dropout(runner.model) == [0.3, 0.1, 0.2]


def test_what_is_set_between_two_trainings_is_a_configuration():
    runner, hook = SimpleNamespace(model=Parts()), DropoutWarmupHook(num_iters=1)
    _train(hook, runner, range(1))
    hook.after_train(runner)
    runner.model.head[0].p = 0.5
    assert _train(hook, runner, range(2, 3)) == [[0.3, 0.5, 0.2]]


def test_ddp_hides_nothing(tmp_path):
    store = torch.distributed.FileStore(str(tmp_path / "store"), 1)
    torch.distributed.init_process_group("gloo", store=store, rank=0, world_size=1)
    try:
        runner = SimpleNamespace(model=MMDistributedDataParallel(Parts()))
        used = _train(DropoutWarmupHook(num_iters=1), runner, range(2))
    finally:
        torch.distributed.destroy_process_group()
    assert used == [[0.3, 0.0, 0.0], [0.3, 0.1, 0.2]]


@pytest.mark.parametrize(
    ("part", "message"),
    [
        ("haed", "no part 'haed'; it has backbone, head, neck"),
        ("neck", r"'neck' has no nn\.Dropout"),
    ],
)
def test_a_part_that_is_not_there_or_has_no_dropout_is_refused(part, message):
    with pytest.raises(ValueError, match=message):
        DropoutWarmupHook(part=part).before_train(SimpleNamespace(model=Parts()))


def test_a_resumed_run_knows_where_it_is(build, tmp_path):
    warmup = {"default_hooks.dropout_warmup": dict(type="DropoutWarmupHook", num_iters=3)}
    whole, resumed = (Recorder(), Recorder())
    runner = build(STAGE1, "whole", warmup)
    configured = _dropout(runner.model.head)
    assert max(configured) > 0
    runner.register_hook(whole)
    runner.train()
    off = [0.0] * len(configured)
    assert whole.used == {0: off, 1: off, 2: off, 3: configured}

    start = {"resume": True, "load_from": str(tmp_path / "whole" / "iter_2.pth")}
    runner = build(STAGE1, "resumed", {**warmup, **start})
    runner.register_hook(resumed)
    runner.train()
    assert resumed.used == {2: off, 3: configured}
    found = read_checkpoint(tmp_path / "resumed" / "iter_4.pth")["state_dict"]
    expected = read_checkpoint(tmp_path / "whole" / "iter_4.pth")["state_dict"]
    torch.testing.assert_close(found, expected, rtol=0, atol=0)
