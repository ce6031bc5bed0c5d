from types import SimpleNamespace

import pytest
from mmengine.logging import MessageHub

from handvit.engine.hooks import ThroughputHook, throughput_hook


class Clock:
    """Time that passes when it is told to."""

    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(throughput_hook, "perf_counter", clock)
    return clock


@pytest.fixture
def runner(request):
    hub = MessageHub.get_instance(request.node.name)
    loader = SimpleNamespace(batch_size=8)
    return SimpleNamespace(message_hub=hub, train_dataloader=loader, world_size=4)


def logged(runner):
    scalars = runner.message_hub.log_scalars
    return [scalars[f"train/{name}"].current() for name in ("samples_per_s", "data_share")]


def iterate(hook, runner, clock, *, waiting, computing):
    clock.now += waiting
    hook.before_train_iter(runner, 0)
    clock.now += computing
    hook.after_train_iter(runner, 0)


def test_samples_and_waiting_of_all_processes_over_the_window(clock, runner):
    hook = ThroughputHook(window=2)
    hook.before_train(runner)
    iterate(hook, runner, clock, waiting=50.0, computing=9.0)  # the start counts for nothing
    assert "train/samples_per_s" not in runner.message_hub.log_scalars
    iterate(hook, runner, clock, waiting=1.0, computing=0.75)
    assert logged(runner) == pytest.approx([32 / 10, 1 / 10])
    iterate(hook, runner, clock, waiting=0.25, computing=2.25)
    iterate(hook, runner, clock, waiting=0.75, computing=1.0)
    assert logged(runner) == pytest.approx([2 * 32 / 4, 1 / 4])


def test_validations_do_not_count(clock, runner):
    hook = ThroughputHook()
    hook.before_train(runner)
    hook.before_val(runner)  # one that a resumed run makes up for
    clock.now += 20.0
    hook.after_val(runner)
    iterate(hook, runner, clock, waiting=0.0, computing=3.0)
    hook.before_val(runner)
    clock.now += 100.0
    hook.after_val(runner)
    iterate(hook, runner, clock, waiting=1.0, computing=1.0)
    assert logged(runner) == pytest.approx([32 / 4, 1 / 4])


def test_it_waits_after_all_other_hooks_are_done(build):
    runner = build("stage1_tiny.py", "run")
    runner.train()
    assert type(runner.hooks[-1]) is ThroughputHook
    assert 0 < runner.message_hub.get_scalar("train/data_share").current() < 1
