import logging
from types import SimpleNamespace

import numpy as np
import pytest
from mmengine.logging import MessageHub

from handvit.engine.hooks import LossSpikeHook
from handvit.engine.hooks.loss_spike_hook import is_spike

STEADY = np.linspace(0.9, 1.1, 101)  # median 1, median deviation 0.05


@pytest.fixture
def feed(caplog, request):
    """Return ``feed(losses)``: it gives them to a hook and returns the warnings."""
    hub = MessageHub.get_instance(request.node.name)
    runner = SimpleNamespace(message_hub=hub, iter=0, logger=logging.getLogger("spikes"))
    hook = LossSpikeHook(window=20, threshold=10)

    def give(losses):
        for loss in losses:
            hub.update_scalar("train/loss", loss)
            batch = SimpleNamespace(labels=SimpleNamespace(sample_id=[f"tiny/{runner.iter}"]))
            hook.after_train_iter(runner, runner.iter, batch)
            runner.iter += 1
        return [record.getMessage() for record in caplog.records]

    give.hub = hub
    return give


def test_a_jump_is_reported_with_its_samples(feed):
    steady = list(np.random.default_rng(0).normal(1, 0.1, 40))
    assert feed(steady) == []
    (warning,) = feed([9.0, *steady])
    assert warning.startswith("iteration 41: loss 9, typical is 0.9983")
    assert warning.endswith("samples tiny/40")
    assert len(feed([9.0, 9.0])) == 3  # the first one hides no later one
    assert feed.hub.get_scalar("train/spikes").current() == 3


def test_nothing_is_judged_too_early(feed):
    assert feed([1.0] * 19 + [100.0]) == []
    assert len(feed([100.0])) == 1


def test_what_is_not_finite_is_no_spike_and_hides_none(feed):
    assert feed([1.0] * 20 + [float("nan"), float("inf")]) == []
    assert len(feed([50.0])) == 1


@pytest.mark.parametrize(("loss", "expected"), [(1.74, False), (1.75, True), (-5.0, False)])
def test_the_limit_is_in_robust_standard_deviations(loss, expected):
    assert is_spike(loss, STEADY, threshold=10.0) == expected  # 1 + 10 * 1.4826 * 0.05


def test_a_flat_curve_tolerates_half_its_height():
    flat = np.ones(50)
    assert not is_spike(1.49, flat, threshold=10.0)
    assert is_spike(1.51, flat, threshold=10.0)
    assert not is_spike(2.0, np.full(50, np.nan), threshold=10.0)


def test_earlier_spikes_do_not_hide_later_ones():
    recent = np.where(np.arange(100) < 30, 100.0, 1.0)
    assert is_spike(10.0, recent, threshold=10.0)
    assert not is_spike(1.2, recent, threshold=10.0)
