import copy

import pytest
import torch
from torch import nn

from handvit.models.backbones.hf_families import FAMILIES, find_blocks
from handvit.models.backbones.stochastic_depth import (
    BlockDropper,
    add_stochastic_depth,
    drop_residual,
)

SIDES = {"HFViT": 28, "HFViTMAE": 28, "HFSwin": 32, "HFConvNet": 64}


def droppers(backbone: nn.Module) -> list[BlockDropper]:
    return [
        hook
        for block in find_blocks(backbone.model).values()
        for hook in block._forward_hooks.values()
        if isinstance(hook, BlockDropper)
    ]


@pytest.mark.parametrize("shape", [(4,), (4, 5), (4, 5, 3), (4, 3, 2, 2)])
def test_a_sample_is_skipped_or_grown_as_a_whole(shape):
    before = torch.randn(shape, dtype=torch.float64)
    after = torch.randn(shape, dtype=torch.float64)
    seen = set()
    for _ in range(20):
        result = drop_residual(before, after, 0.5)
        for one, start, end in zip(result, before, after, strict=True):
            skipped = torch.allclose(one, start)
            assert skipped or torch.allclose(one, start + 2 * (end - start))
            seen.add(skipped)
    assert seen == {True, False}


def test_expectation_is_the_block():
    before, after = torch.tensor([1.0]).double(), torch.tensor([3.0]).double()
    num = 200_000
    results = drop_residual(before.expand(num), after.expand(num), 0.3)
    kept = (results != 1).double().mean().item()
    assert kept == pytest.approx(0.7, abs=0.005)  # five standard deviations
    assert results.mean().item() == pytest.approx(3.0, abs=0.015)


def test_gradient_of_a_skipped_sample_takes_the_shortcut():
    before = torch.ones(64, 2, dtype=torch.float64, requires_grad=True)
    after = 3 * before
    result = drop_residual(before, after, 0.5)
    result.sum().backward()
    # Skipped: 1. Kept: 1 + 2 * (3 - 1).
    wanted = torch.where(result.detach() == 1, 1.0, 5.0).double()
    assert torch.equal(before.grad, wanted)


def test_block_without_a_residual_is_left_alone():
    after = torch.randn(4, 8, 2, 2)
    assert drop_residual(torch.randn(4, 4, 4, 4), after, 0.9) is after


def test_number_format_stays():
    before = torch.randn(4, 2, dtype=torch.bfloat16)
    assert drop_residual(before, 2 * before, 0.5).dtype == torch.bfloat16


def test_rate_grows_linearly_with_depth(build):
    """Huang et al. 2016, eq. 4: p_l = l / L * p_L."""
    rates = [hook.probability for hook in droppers(build("dinov2", drop_path=0.3))]
    assert rates == pytest.approx([0.1, 0.2, 0.3])


@pytest.mark.parametrize("model_type", FAMILIES)
def test_every_family_drops_blocks_in_training_only(model_type, build):
    plain, dropped = build(model_type), build(model_type, drop_path=0.8)
    dropped.load_state_dict(plain.state_dict())
    side = SIDES[FAMILIES[model_type].backbone]
    crop = torch.randn(8, 3, side, side)
    assert torch.equal(dropped.eval()(crop).all, plain.eval()(crop).all)
    dropped.train()
    for module in dropped.modules():
        if isinstance(module, nn.Dropout):
            module.eval()
    assert not torch.equal(dropped(crop).all, dropped(crop).all)


@pytest.mark.parametrize("model_type", ["dinov2", "swin", "swinv2"])
def test_drop_path_of_a_checkpoint_is_replaced(model_type, build, tmp_path):
    plain = build(model_type)
    plain.model.config.drop_path_rate = 0.9
    plain.model.save_pretrained(tmp_path)
    loaded = type(plain)(pretrained=str(tmp_path))
    side = SIDES[FAMILIES[model_type].backbone]
    crop = torch.randn(16, 3, side, side)
    assert loaded.training
    assert torch.equal(loaded(crop).all, loaded(crop).all)


def test_copy_drops_as_well(build):
    """Averaged models are deep copies."""
    assert len(droppers(copy.deepcopy(build("vit", drop_path=0.5)))) == 3


@pytest.mark.parametrize("rate", [-0.1, 1.0])
def test_rate_is_a_probability_below_one(rate):
    with pytest.raises(ValueError, match=r"drop_path=.* \[0, 1\)"):
        add_stochastic_depth(nn.Linear(1, 1), [], rate)
