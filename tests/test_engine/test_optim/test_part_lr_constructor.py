import pytest
import torch
from torch import nn

from handvit.engine.optim import PartLRConstructor


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.backbone = nn.Sequential(nn.Linear(2, 3), nn.LayerNorm(3), nn.Linear(3, 3))
        self.head = nn.Linear(3, 1)
        self.frozen = nn.Linear(3, 3).requires_grad_(False)


def _build(model, **paramwise):
    cfg = dict(
        type="OptimWrapper",
        optimizer=dict(type="AdamW", lr=1e-4, weight_decay=0.1),
        clip_grad=dict(max_norm=1.0),
    )
    return PartLRConstructor(cfg, paramwise)(model)


def test_groups_are_few_and_hold_each_trainable_parameter_once():
    model = Model()
    wrapper = _build(model, part_lr=dict(backbone=1e-5))
    groups = wrapper.optimizer.param_groups
    found = {(g["lr"], g["weight_decay"]): {id(p) for p in g["params"]} for g in groups}
    weights = {id(model.backbone[0].weight), id(model.backbone[2].weight)}
    others = {id(p) for p in model.backbone.parameters()} - weights
    assert found == {
        (1e-4, 0.1): {id(model.head.weight)},
        (1e-4, 0.0): {id(model.head.bias)},
        (1e-5, 0.1): weights,
        (1e-5, 0.0): others,
    }
    assert groups[0]["lr"] == 1e-4
    assert wrapper.clip_grad_kwargs == {"max_norm": 1.0}


def test_a_wrapped_model_gives_the_same_groups():
    wrapped = nn.Module()
    wrapped.module = Model()
    groups = _build(wrapped, part_lr=dict(backbone=1e-5)).optimizer.param_groups
    assert [group["lr"] for group in groups] == [1e-4, 1e-4, 1e-5, 1e-5]


def test_an_unknown_part_is_refused():
    with pytest.raises(ValueError, match="no part \\['bakbone'\\]"):
        _build(Model(), part_lr=dict(bakbone=1e-5))


def test_an_unknown_key_is_refused():
    with pytest.raises(ValueError, match=r"unknown keys \['custom_keys'\]"):
        _build(Model(), custom_keys=dict(backbone=dict(lr_mult=0.1)))


def test_the_optimizer_trains():
    model = Model()
    wrapper = _build(model)
    before = model.head.weight.detach().clone()
    wrapper.update_params(model.head(model.backbone(torch.ones(4, 2))).sum())
    assert not torch.equal(before, model.head.weight)
