import pytest

from handvit.engine.schedule_stretch import (
    Stretch,
    stretch_hook,
    stretch_loop,
    stretch_scheduler,
)

EIGHTH = Stretch(old_length=1000, new_length=125)


def test_one_factor_changes_nothing():
    stretch = Stretch(old_length=1000, new_length=1000)
    assert stretch.factor == 1
    assert [stretch.count(n) for n in (0, 7, 1000, [3, 4])] == [0, 7, 1000, [3, 4]]
    assert stretch.interval(7) == 7
    assert stretch.momentum(0.3) == pytest.approx(0.3)


def test_intervals_end_between_two_steps():
    stretch = Stretch(old_length=1000, new_length=500, step=4)
    assert [stretch.interval(n) for n in (100, 99, 3, -1)] == [48, 48, 4, -1]
    assert stretch.count(99) == 50  # half an iteration goes to the even side


def test_an_average_is_as_slow_in_samples():
    momentum = EIGHTH.momentum(0.01)
    assert 1 - momentum == pytest.approx(0.99**8)  # one iteration does the work of eight
    doubled = Stretch(old_length=1000, new_length=2000).momentum(0.01)
    assert (1 - doubled) ** 2 == pytest.approx(0.99)


def test_a_loop():
    loop = dict(
        type="Loop",
        max_iters=1000,
        val_interval=100,
        val_begin=40,
        dynamic_intervals=[(0, 100), (800, 16)],
    )
    stretch_loop(loop, Stretch(old_length=1000, new_length=500, step=2))
    assert loop == dict(
        type="Loop",
        max_iters=500,
        val_interval=50,
        val_begin=20,
        dynamic_intervals=[(0, 50), (400, 8)],
    )


@pytest.mark.parametrize(
    ("written", "stretched"),
    [
        (dict(type="LinearLR", begin=0, end=44), dict(begin=0, end=6)),
        # 44 / 8 and 1000 / 8, not 956 / 8: it begins where the warm-up ends.
        (
            dict(type="CosineAnnealingLR", begin=44, end=1000, T_max=956, eta_min=1e-6),
            dict(begin=6, end=125, T_max=119, eta_min=1e-6),
        ),
        (dict(type="MultiStepLR", milestones=[400, 800]), dict(milestones=[50, 100])),
        (
            dict(type="StepLR", step_size=80, begin=8, end=1000),
            dict(step_size=10, begin=1, end=125),
        ),
        (dict(type="ConstantLR", end=80, factor=0.1), dict(end=10, factor=0.1)),
        (dict(type="PolyLR", begin=0, end=1000), dict(begin=0, end=125)),
    ],
)
def test_a_scheduler(written, stretched):
    scheduler = dict(written, by_epoch=False)
    stretch_scheduler(scheduler, EIGHTH)
    assert scheduler == dict(type=written["type"], by_epoch=False, **stretched)


@pytest.mark.parametrize(
    ("written", "stretched"),
    [
        (dict(type="DropoutWarmupHook", num_iters=80), dict(num_iters=10)),
        (
            dict(type="HandEMAHook", momentum=0.01, begin_iter=8),
            dict(momentum=0.0772553, begin_iter=1),
        ),
        (dict(type="mmengine.EMAHook"), dict(momentum=1 - (1 - 2e-4) ** 8)),
        (dict(type="HandEMAHook", ema_type="StochasticWeightAverage"), {}),
        (dict(type="HandCheckpointHook", interval=80), dict(interval=10)),
        (
            dict(type="CheckpointHook", interval=-1, save_begin=800),
            dict(interval=-1, save_begin=100),
        ),
        (
            dict(type="FreezeHook", schedule=[dict(pattern="neck", begin=8, end=80)]),
            dict(schedule=[dict(pattern="neck", begin=1, end=10)]),
        ),
        (
            dict(type="FreezeHook", schedule=[dict(pattern="neck", begin=8, end=None)]),
            dict(schedule=[dict(pattern="neck", begin=1, end=None)]),
        ),
        (dict(type="LoggerHook", interval=80), dict(interval=80)),
    ],
)
def test_a_hook(written, stretched):
    hook = dict(written)
    stretch_hook(hook, EIGHTH)
    if "momentum" in hook:
        assert hook.pop("momentum") == pytest.approx(stretched.pop("momentum"), rel=1e-5)
    assert hook == dict({k: written[k] for k in ("type", "ema_type") if k in written}, **stretched)


@pytest.mark.parametrize(
    "scheduler",
    [dict(type="ExponentialLR", by_epoch=False, gamma=0.9), dict(type="StepLR", step_size=2)],
)
def test_what_cannot_be_stretched_is_named(scheduler):
    with pytest.raises(ValueError, match=rf"param_scheduler: {scheduler['type']} with by_epoch="):
        stretch_scheduler(scheduler, EIGHTH)


def test_a_phase_of_which_nothing_is_left():
    with pytest.raises(
        ValueError, match="nothing is left of LinearLR from iteration 4 to 10 where"
    ):
        stretch_scheduler(dict(type="LinearLR", by_epoch=False, begin=4, end=10), EIGHTH)
