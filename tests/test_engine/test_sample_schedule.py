import copy
from pathlib import Path

import pytest
from mmengine.config import Config

from handvit.engine.launch import load_config
from handvit.engine.sample_schedule import apply_sample_schedule, count_processes

CONFIGS = Path(__file__).resolve().parents[2] / "configs"
TOTAL = 3_200_000


def recipe(total=TOTAL, **options) -> Config:
    options = {key.replace("__", "."): value for key, value in options.items()}
    cfg = load_config(str(CONFIGS / "stage1" / "dino_small.py"), options)
    cfg.sample_schedule.total_samples = total
    return cfg


def test_without_total_samples_nothing_changes():
    for path in ("stage1/dino_small.py", "stage2/dino_small_t7.py", "demo/stage1_tiny.py"):
        cfg = load_config(str(CONFIGS / path))
        before = copy.deepcopy(cfg.to_dict())
        apply_sample_schedule(cfg, num_processes=8)
        assert cfg.to_dict() == before


def test_the_reference_is_what_the_recipe_says():
    cfg = recipe()
    before = copy.deepcopy(cfg.to_dict())
    apply_sample_schedule(cfg, num_processes=1)
    after = cfg.to_dict()
    assert after["default_hooks"]["sample_count"].pop("factor") == 1.0
    assert after["custom_hooks"][1].pop("momentum") == pytest.approx(2e-4, rel=1e-9)
    before["custom_hooks"][1].pop("momentum")
    assert after == before


@pytest.mark.parametrize(
    ("num_processes", "batch_size", "accumulated", "max_iters"),
    [
        (1, 32, 1, 100_000),
        (2, 32, 1, 50_000),
        (8, 32, 1, 12_500),
        (8, 8, 4, 50_000),
        (1, 8, 4, 400_000),
    ],
)
def test_samples_stay_whatever_the_machines(num_processes, batch_size, accumulated, max_iters):
    cfg = recipe(
        train_dataloader__batch_size=batch_size, optim_wrapper__accumulative_counts=accumulated
    )
    apply_sample_schedule(cfg, num_processes=num_processes)
    assert cfg.train_cfg.max_iters == max_iters
    assert max_iters * batch_size * num_processes == TOTAL
    warm_up, decay = cfg.param_scheduler
    dropout, average = cfg.custom_hooks
    share = [
        cfg.train_cfg.val_interval,
        cfg.default_hooks.checkpoint.interval,
        warm_up.end,
        decay.begin,
        dropout.num_iters,
    ]
    assert [value / max_iters for value in share] == pytest.approx([0.05] * 4 + [0.1], rel=0.01)
    assert decay.end == max_iters == decay.begin + decay.T_max
    assert (1 - average.momentum) ** max_iters == pytest.approx((1 - 2e-4) ** 100_000)
    for interval in share[:2]:
        assert interval % accumulated == 0
    rates = (cfg.optim_wrapper.optimizer.lr, cfg.optim_wrapper.paramwise_cfg.part_lr.backbone)
    assert rates == (1e-4, 1e-5)


@pytest.mark.parametrize(("exponent", "factor"), [(0.5, 4.0), (1.0, 16.0), (0.0, 1.0)])
def test_learning_rates_follow_the_samples_of_a_step(exponent, factor):
    cfg = recipe(sample_schedule__lr_exponent=exponent, optim_wrapper__accumulative_counts=2)
    cfg.param_scheduler[1].eta_min = 1e-6
    apply_sample_schedule(cfg, num_processes=8)  # 8 x 32 x 2 = 16 x 32
    assert cfg.optim_wrapper.optimizer.lr == pytest.approx(1e-4 * factor)
    assert cfg.optim_wrapper.paramwise_cfg.part_lr.backbone == pytest.approx(1e-5 * factor)
    assert cfg.param_scheduler[1].eta_min == pytest.approx(1e-6 * factor)


def test_a_rewritten_config_is_not_rewritten_again():
    cfg = recipe(sample_schedule__lr_exponent=0.5)
    apply_sample_schedule(cfg, num_processes=8)
    assert cfg.default_hooks.sample_count.factor == 0.125
    again = Config.fromstring(cfg.pretty_text, ".py")
    apply_sample_schedule(again, num_processes=8)
    assert again.default_hooks.sample_count.pop("factor") == 1.0
    cfg.default_hooks.sample_count.pop("factor")
    average, expected = (one.custom_hooks[1].pop("momentum") for one in (again, cfg))
    assert average == pytest.approx(expected, rel=1e-9)
    assert again.to_dict() == cfg.to_dict()


def test_more_samples_stretch_everything():
    cfg = recipe(total=2 * TOTAL)
    apply_sample_schedule(cfg, num_processes=1)
    assert (cfg.train_cfg.max_iters, cfg.train_cfg.val_interval) == (200_000, 10_000)


def test_a_total_out_of_reach_is_refused_with_what_is_not():
    with pytest.raises(ValueError) as error:
        apply_sample_schedule(recipe(), num_processes=3)
    assert str(error.value) == (
        "sample_schedule.total_samples=3200000: is no multiple of the 96 samples of a step,"
        " 3 (processes) x 32 (batch_size); set it to 3199968 or 3200064"
    )
    cfg = recipe(optim_wrapper__accumulative_counts=64)
    with pytest.raises(ValueError, match=r"2048 samples of a step.* x 64 \(accumulative_counts\)"):
        apply_sample_schedule(cfg, num_processes=1)
    for wrong, fitting in ((5, "32"), (0, "32"), (-32, "32")):
        with pytest.raises(ValueError, match=f"total_samples={wrong}: .* set it to {fitting}$"):
            apply_sample_schedule(recipe(wrong), num_processes=1)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"sample_schedule.total": 32}, r"unknown keys \['total'\]; it has total_samples"),
        ({"sample_schedule.reference_batch": 0}, "reference_batch=0 must be positive"),
        ({"sample_schedule.lr_exponent": 2}, "lr_exponent=2 between 0"),
        ({"train_cfg": dict(_delete_=True, max_epochs=3)}, r"needs train_cfg\.max_iters"),
        (
            {"sample_schedule.lr_exponent": 1, "auto_scale_lr": dict(enable=True)},
            "and auto_scale_lr: choose one",
        ),
    ],
)
def test_contradictions_are_refused(options, message):
    cfg = recipe()
    cfg.merge_from_dict(options)
    with pytest.raises(ValueError, match=message):
        apply_sample_schedule(cfg, num_processes=1)


def test_launchers_tell_how_many_they_start(monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "4")
    monkeypatch.setenv("SLURM_NTASKS", "16")
    assert [count_processes(name) for name in ("none", "pytorch", "slurm")] == [1, 4, 16]
