import copy
import math

import pytest
import torch
from mmengine.optim import OptimWrapper
from torch import nn

from handvit.engine.checkpoints import read_checkpoint
from handvit.engine.optim import FP16OptimWrapper

RECIPE = "stage1_tiny.py"


def build_linear(fused=False, **settings) -> tuple[nn.Linear, FP16OptimWrapper]:
    torch.manual_seed(0)
    model = nn.Linear(4, 2)
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.1, fused=fused)
    return model, FP16OptimWrapper(optimizer, **settings)


def learn(model, wrapper, factor=1.0) -> None:
    with wrapper.optim_context(model):
        output = model(torch.ones(3, 4))
    wrapper.update_params(factor * output.float().square().sum())


def test_forward_runs_in_float16_and_weights_stay_float32():
    model, wrapper = build_linear()
    with wrapper.optim_context(model):
        assert model(torch.ones(3, 4)).dtype == torch.float16
    assert model(torch.ones(3, 4)).dtype == torch.float32
    learn(model, wrapper)
    assert model.weight.dtype == torch.float32


def test_small_gradients_are_not_lost():
    weight = nn.Parameter(torch.ones(1))

    def gradient(wrapper_class):
        wrapper = wrapper_class(torch.optim.SGD([weight], lr=1.0))
        before = weight.detach().clone()
        # Backward, the slope 1e-9 passes through float16, whose smallest number is 6e-8.
        wrapper.update_params((weight.half().float() * 1e-9).sum())
        return (before - weight.detach()).item()

    weight.data.zero_()
    assert gradient(OptimWrapper) == 0
    weight.data.zero_()
    assert gradient(FP16OptimWrapper) == pytest.approx(1e-9, rel=1e-2)


@pytest.mark.parametrize("fused", [False, True])
def test_an_overflow_leaves_the_step_out_and_halves_the_scale(fused):
    model, wrapper = build_linear(fused, init_scale=8.0, clip_grad=dict(max_norm=1.0))
    learn(model, wrapper)
    before = copy.deepcopy([model.state_dict(), wrapper.optimizer.state_dict()])
    learn(model, wrapper, factor=math.inf)
    after = [model.state_dict(), wrapper.optimizer.state_dict()]
    torch.testing.assert_close(after, before, rtol=0, atol=0)
    assert wrapper.loss_scaler.get_scale() == 4.0
    learn(model, wrapper)
    assert not torch.equal(model.weight, before[0]["weight"])


def test_a_calm_time_doubles_the_scale():
    model, wrapper = build_linear(init_scale=8.0, growth_interval=2)
    for _ in range(2):
        learn(model, wrapper)
    assert wrapper.loss_scaler.get_scale() == 16.0
    assert wrapper.message_hub.get_scalar("train/grad_scale").current() == 8.0  # of that step


def test_gradients_are_clipped_after_they_are_divided_by_the_scale():
    steps = []
    for scale in (1.0, 2.0**10):
        weight = nn.Parameter(torch.zeros(1))
        optimizer = torch.optim.SGD([weight], lr=1.0)
        wrapper = FP16OptimWrapper(optimizer, init_scale=scale, clip_grad=dict(max_norm=2.0))
        wrapper.update_params((1.5 * weight).sum())  # shorter than the limit
        wrapper.update_params((8.0 * weight).sum())  # longer
        assert wrapper.message_hub.get_scalar("train/grad_norm").current() == 8.0
        steps.append(weight.item())
    assert steps == pytest.approx([-3.5, -3.5])


def test_gradients_accumulate_at_one_scale():
    model, wrapper = build_linear(init_scale=8.0, accumulative_counts=2)
    before = model.weight.detach().clone()
    learn(model, wrapper)
    learn(model, wrapper, factor=math.inf)
    assert torch.equal(model.weight, before)
    assert wrapper.loss_scaler.get_scale() == 4.0  # once


OPTIONS = {
    "optim_wrapper.type": "FP16OptimWrapper",
    "optim_wrapper.init_scale": 2.0**40,  # overflows at first
    "optim_wrapper.growth_interval": 2,
    "train_cfg.max_iters": 8,
    "train_cfg.val_interval": 8,
}


def test_a_resumed_training_is_the_uninterrupted_one(build, tmp_path):
    build(RECIPE, "whole", OPTIONS).train()
    start = tmp_path / "whole" / "iter_4.pth"
    build(RECIPE, "rest", {**OPTIONS, "resume": True, "load_from": str(start)}).train()
    whole, rest = (read_checkpoint(tmp_path / name / "iter_8.pth") for name in ("whole", "rest"))
    for key in ("state_dict", "optimizer"):
        torch.testing.assert_close(rest[key], whole[key], rtol=0, atol=0)
    scaler = whole["optimizer"]["loss_scaler"]
    assert read_checkpoint(start)["optimizer"]["loss_scaler"]["scale"] == 2.0**36  # four halvings
    assert 1 < scaler["scale"] < 2.0**36


def test_precision_may_change_on_resume(build, tmp_path):
    options = {"train_cfg.max_iters": 2, "optim_wrapper.type": "OptimWrapper"}
    build(RECIPE, "run", options).train()
    resumed = {"resume": True, "load_from": str(tmp_path / "run" / "iter_2.pth")}
    for kind, end in (("FP16OptimWrapper", 3), ("BF16OptimWrapper", 4)):
        options = {**resumed, "train_cfg.max_iters": end, "optim_wrapper.type": kind}
        runner = build(RECIPE, "run", options)
        runner.train()
        assert runner.iter == end
        resumed["load_from"] = str(tmp_path / "run" / f"iter_{end}.pth")
