"""Several small batches make the step of one large batch; a step is several iterations then."""

import copy

import pytest
import torch
from mmengine.optim import OptimWrapper

from handvit.engine.checkpoints import read_checkpoint
from handvit.engine.optim import FP16OptimWrapper
from handvit.registry import MODELS
from handvit.structures import HandCrops

RECIPE = "stage1_tiny.py"


def slice_batch(value, part: slice):
    """Take some hands of named tuples of tensors and lists."""
    if hasattr(value, "_fields"):
        return type(value)(*(slice_batch(field, part) for field in value))
    return None if value is None else value[part]


@pytest.fixture
def model(tiny_config, tmp_path):
    cfg = tiny_config(RECIPE, tmp_path).model
    cfg.head.decoder.dropout = 0.0
    model = MODELS.build(cfg).train()
    model.backbone.eval()  # batch norm averages over what is in a batch
    return model


def gradients(model, batches: list[HandCrops], wrapper_class) -> tuple[float, dict]:
    """Return the mean loss and what the optimizer gets, before it clears it."""
    found = {}
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
    optimizer.register_step_pre_hook(
        lambda *_: found.update(
            {n: p.grad.clone() for n, p in model.named_parameters() if p.grad is not None}
        )
    )
    wrapper = wrapper_class(optimizer, accumulative_counts=len(batches))
    wrapper.initialize_count_status(model, 0, len(batches))
    total = 0.0
    for crops in batches:
        loss, _ = model.parse_losses(model(crops, mode="loss"))
        assert not found, "a step before all batches were seen"
        wrapper.update_params(loss)
        total += loss.item() / len(batches)
    return total, found


@pytest.mark.parametrize("wrapper_class", [OptimWrapper, FP16OptimWrapper])
def test_two_small_batches_make_the_step_of_a_large_one(model, make_batch, wrapper_class):
    crops = model.data_preprocessor(make_batch(4))["crops"]  # every label is valid
    start = copy.deepcopy(model.state_dict())
    loss, at_once = gradients(model, [crops], wrapper_class)
    model.load_state_dict(start)
    halves = [slice_batch(crops, part) for part in (slice(0, 2), slice(2, 4))]
    accumulated_loss, accumulated = gradients(model, halves, wrapper_class)
    assert accumulated_loss == pytest.approx(loss, rel=1e-6)
    assert at_once.keys() == accumulated.keys()
    scale = torch.cat([g.flatten() for g in at_once.values()]).norm()
    for name, gradient in at_once.items():
        assert (accumulated[name] - gradient).norm() < 1e-6 * scale, name
    assert scale > 0


def test_iterations_are_not_steps_and_a_run_resumes_between_steps(build, tmp_path):
    options = {"optim_wrapper.accumulative_counts": 2, "train_cfg.max_iters": 8}
    build(RECIPE, "whole", options).train()
    rest = {"resume": True, "load_from": str(tmp_path / "whole" / "iter_4.pth")}
    build(RECIPE, "rest", options | rest).train()
    whole, rest = (read_checkpoint(tmp_path / name / "iter_8.pth") for name in ("whole", "rest"))
    for key in ("state_dict", "optimizer"):
        torch.testing.assert_close(rest[key], whole[key], rtol=0, atol=0)
    assert whole["meta"]["iter"] == 8
    steps = {state["step"].item() for state in whole["optimizer"]["state"].values()}
    assert steps == {4}
