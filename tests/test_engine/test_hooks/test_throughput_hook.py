from types import SimpleNamespace

import pytest
from mmengine.hooks import Hook
from mmengine.logging import MessageHub

from handvit.engine.hooks import ThroughputHook

STAGE1 = "stage1_tiny.py"


def test_samples_and_waiting_of_all_processes_over_the_window():
    hub = MessageHub.get_instance("throughput_test")
    loader = SimpleNamespace(batch_size=8)
    runner = SimpleNamespace(message_hub=hub, train_dataloader=loader, world_size=4)
    hook = ThroughputHook(window=2)
    found = []
    for seconds, waiting in ((100.0, 50.0), (1.0, 0.25), (3.0, 0.75)):
        hub.update_scalar("train/time", seconds)
        hub.update_scalar("train/data_time", waiting)
        hook.after_train_iter(runner, 0)
        found.append(
            [hub.get_scalar(f"train/{n}").current() for n in ("samples_per_s", "data_share")]
        )
    assert found[0] == pytest.approx([32 / 100, 0.5])
    assert found[2] == pytest.approx([2 * 32 / 4, 0.25])


def test_every_line_of_the_log_has_them(build, tmp_path):
    build(STAGE1, "run", {"default_hooks.logger.interval": 1, "log_level": "INFO"}).train()
    (log,) = (tmp_path / "run").glob("*/*.log")
    lines = [line for line in log.read_text().splitlines() if "Iter(train)" in line]
    assert len(lines) == 4
    assert all("samples_per_s" in line and "data_share" in line for line in lines)


def test_it_runs_between_the_timer_and_the_log(build):
    runner = build(STAGE1, "run")
    names = [type(hook).__name__ for hook in runner.hooks if isinstance(hook, Hook)]
    order = [names.index(name) for name in ("IterTimerHook", "ThroughputHook", "LoggerHook")]
    assert order == sorted(order)
