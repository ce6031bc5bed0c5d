import gc
import os
import re
import threading
import time
import traceback
import weakref

import pytest
from mmengine.hooks import Hook

from handvit.datasets import HandClipDataset
from handvit.engine.hooks.watchdog_hook import _is_running
from handvit.engine.training_stop import Stall
from handvit.evaluation import HandMetric
from handvit.registry import RUNNERS

RECIPE = "stage1_tiny.py"
TIMEOUT = 3.0  # seconds


@pytest.fixture
def train(tiny_config, tmp_path):
    """Return ``train(*hooks, **options)``: it trains in a child and returns the exit code."""

    def run(*hooks, **options):
        watchdog = dict(type="WatchdogHook", timeout=TIMEOUT)
        options = {"default_hooks.watchdog": watchdog, **options}
        child = os.fork()
        if child:
            return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        try:
            runner = RUNNERS.build(tiny_config(RECIPE, tmp_path / "run", options))
            for hook in hooks:
                runner.register_hook(hook)
            runner.train()
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        os._exit(0)

    return run


def _report(tmp_path):
    return (tmp_path / "run" / "failures" / "stall_rank0.txt").read_text()


def test_a_stalled_loader_is_reported_but_not_a_slow_start_or_validation(
    train, tmp_path, monkeypatch
):
    read, reads = HandClipDataset.read_clip, []

    def stall_at_last(self, index, *place):
        reads.append(index)
        if len(reads) == 10:  # each process counts by itself
            time.sleep(100)
        return read(self, index, *place)

    def slow_metrics(self, results):
        time.sleep(TIMEOUT + 0.5)
        return {"mpjpe_cam": 1.0}

    monkeypatch.setattr(HandClipDataset, "read_clip", stall_at_last)
    monkeypatch.setattr(HandMetric, "compute_metrics", slow_metrics)
    start = time.monotonic()
    options = {
        "train_dataloader.num_workers": 1,
        "val_dataloader.dataset.indices": 6,
        "train_cfg.max_iters": 100,
        "train_cfg.val_interval": 2,
    }
    assert train(_SlowStart(), **options) == Stall.code
    assert time.monotonic() - start < 40
    report = _report(tmp_path)
    begin = (
        r"\nwaiting for data: nothing has moved for \d+ s; rank 0, iteration 3, last samples: tiny/"
    )
    assert re.match(begin, report)
    own, worker = report.split("\nthreads of process ")[-2:]
    assert "in _next_data" in own
    assert "in stall_at_last" in worker


class _SlowStart(Hook):
    def before_train_iter(self, runner, batch_idx, data_batch=None):
        if runner.iter == 0:
            time.sleep(TIMEOUT + 0.5)


def test_a_hanging_step_is_reported(train, tmp_path):
    assert train(_HangingStep()) == Stall.code
    report = _report(tmp_path)
    assert re.match(r"\ncomputing: nothing has moved for \d+ s; rank 0, iteration 2, last", report)
    assert "in hang" in report


class _HangingStep(Hook):
    def before_train_iter(self, runner, batch_idx, data_batch=None):
        def hang(model, arguments):
            time.sleep(100)

        if runner.iter == 1:
            runner.model.register_forward_pre_hook(hang)


def test_each_phase_is_named(build):
    seen = {}

    class Look(Hook):
        priority = "LOWEST"

        def __init__(self, watchdog):
            self.watchdog = watchdog

        def _look(self, name):
            seen[name] = self.watchdog._watch.progress.doing, self.watchdog._watch.progress.patience

        def before_train(self, runner):
            self._look("before_train")

        def before_val_iter(self, runner, batch_idx, data_batch=None):
            self._look(f"before_val_iter {batch_idx}")

        def after_val_iter(self, runner, batch_idx, data_batch=None, outputs=None):
            self._look(f"after_val_iter {batch_idx}")

        def before_train_iter(self, runner, batch_idx, data_batch=None):
            self._look(f"before_train_iter {batch_idx}")

        def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
            self._look(f"after_train_iter {batch_idx}")

        def before_save_checkpoint(self, runner, checkpoint):
            self._look("saving")

    options = {"default_hooks.watchdog": dict(type="WatchdogHook"), "train_cfg.max_iters": 2}
    runner = build(RECIPE, "run", {**options, "val_dataloader.dataset.indices": 6})
    (watchdog,) = (hook for hook in runner.hooks if type(hook).__name__ == "WatchdogHook")
    runner.register_hook(Look(watchdog))
    runner.train()
    short, long = 600.0, 3600.0
    assert seen == {
        "before_train": ("starting", long),
        "before_train_iter 0": ("computing", long),
        "after_train_iter 0": ("waiting for data", short),
        "before_train_iter 1": ("computing", short),
        "after_train_iter 1": ("waiting for data", short),
        "saving": ("saving a checkpoint", short),
        "before_val_iter 0": ("validating", short),
        "after_val_iter 0": ("waiting for data", short),
        "before_val_iter 1": ("validating", short),
        "after_val_iter 1": ("computing metrics", long),
    }
    runner.val_loop.run()  # by itself, as in a notebook


def test_nothing_is_watched_or_kept_after_an_error(build):
    runner = build(RECIPE, "run", {"default_hooks.watchdog": dict(type="WatchdogHook")})
    runner.register_hook(_Fail())
    with pytest.raises(ZeroDivisionError):
        runner.train()
    (watchdog,) = (hook for hook in runner.hooks if type(hook).__name__ == "WatchdogHook")
    number = threading.get_ident()
    assert not _is_running(weakref.ref(runner), number)
    kept = weakref.ref(runner)
    del runner
    gc.collect()
    assert kept() is None
    assert not _is_running(kept, number)
    assert watchdog._watch is not None


class _Fail(Hook):
    def before_train_iter(self, runner, batch_idx, data_batch=None):
        assert _is_running(weakref.ref(runner), threading.get_ident())
        assert not _is_running(weakref.ref(self), threading.get_ident())  # another one's run
        raise ZeroDivisionError
