import logging

import pytest
import torch
from torch import nn

from handvit.engine.optim import PartLRConstructor
from handvit.models.backbones import HFConvNet, HFSwin, HFViT
from handvit.models.heads.hand_decoder import HandDecoder


class Layered(nn.Module):
    """A backbone of two blocks that tells its layers."""

    num_layers = 2

    def __init__(self):
        super().__init__()
        self.embeddings = nn.Linear(2, 3)
        self.blocks = nn.ModuleList([nn.Linear(3, 3), nn.Linear(3, 3)])
        self.norm = nn.LayerNorm(3)

    def layer_of(self, name):
        if name.startswith("blocks."):
            return 1 + int(name.split(".")[1])
        return {"embeddings": 0, "norm": 3}[name.split(".")[0]]


class Model(nn.Module):
    def __init__(self, backbone=None):
        super().__init__()
        self.backbone = backbone or nn.Sequential(nn.Linear(2, 3), nn.LayerNorm(3), nn.Linear(3, 3))
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


def _undecayed(backbone):
    """Names of a backbone's matrices and tensors that are not decayed."""
    model = Model(backbone)
    groups = _build(model).optimizer.param_groups
    names = {id(p): name for name, p in model.named_parameters()}
    undecayed = {p for g in groups for p in g["params"] if not g["weight_decay"] and p.ndim > 1}
    return {names[id(p)].removeprefix("backbone.model.") for p in undecayed}


def test_tokens_and_positions_are_not_decayed():
    sizes = dict(hidden_size=8, num_hidden_layers=1, num_attention_heads=2)
    config = dict(model_type="dinov2_with_registers", image_size=28, patch_size=14, **sizes)
    wanted = {"cls_token", "position_embeddings", "register_tokens"}
    assert _undecayed(HFViT(config=config)) == {f"embeddings.{name}" for name in wanted}


@pytest.mark.parametrize(
    ("model_type", "wanted"),
    [
        ("swin", {"relative_position_bias.relative_position_bias_table"}),
        (
            "swinv2",
            {
                "self.logit_scale",
                "self.continuous_position_bias_mlp.0.weight",
                "self.continuous_position_bias_mlp.2.weight",
            },
        ),
    ],
)
def test_relative_positions_are_not_decayed(model_type, wanted):
    sizes = dict(embed_dim=8, depths=[1], num_heads=[2], window_size=4, image_size=32)
    backbone = HFSwin(config=dict(model_type=model_type, patch_size=4, **sizes))
    block = "encoder.layers.0.blocks.0.attention."
    assert _undecayed(backbone) == {block + name for name in wanted}


def test_a_norm_of_maps_is_not_decayed():
    config = dict(model_type="convnextv2", hidden_sizes=[4] * 4, depths=[0, 0, 0, 1])
    grn = "encoder.stages.3.layers.0.grn."
    assert _undecayed(HFConvNet(config=config)) == {grn + "weight", grn + "bias"}


def test_a_query_that_is_learned_is_decayed():
    decoder = HandDecoder(8, width=8, num_layers=1, num_heads=2, mlp_dim=8, dropout=0.0)
    assert decoder.query.ndim == 3
    assert _undecayed(decoder) == set()


def test_early_layers_learn_more_slowly():
    model = Model(Layered())
    paramwise = dict(part_lr=dict(backbone=1e-5), layer_decay=dict(backbone=0.5))
    groups = _build(model, **paramwise).optimizer.param_groups
    found = {id(p): (g["lr"], g["weight_decay"]) for g in groups for p in g["params"]}
    backbone = model.backbone
    by_hand = {
        backbone.embeddings: 1.25e-6,  # three layers lie above: 1e-5 / 8
        backbone.blocks[0]: 2.5e-6,
        backbone.blocks[1]: 5e-6,
        backbone.norm: 1e-5,
        model.head: 1e-4,
    }
    expected = {id(part.bias): (lr, 0.0) for part, lr in by_hand.items()}
    expected |= {id(part.weight): (lr, 0.1) for part, lr in by_hand.items()}
    expected[id(backbone.norm.weight)] = (1e-5, 0.0)
    assert found.keys() == expected.keys()
    for parameter, group in expected.items():
        assert found[parameter] == pytest.approx(group, rel=1e-12)
    assert sum(len(group["params"]) for group in groups) == 10
    assert len(groups) == 9  # two a layer, but the norm has nothing to decay
    assert groups[0]["lr"] == 1e-4


def test_a_vision_transformer_tells_its_layers():
    sizes = dict(hidden_size=8, num_hidden_layers=3, num_attention_heads=2)
    model = Model(HFViT(config=dict(model_type="dinov2", image_size=28, patch_size=14, **sizes)))
    groups = _build(model, layer_decay=dict(backbone=0.5)).optimizer.param_groups
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    rates = {names[id(p)]: g["lr"] for g in groups for p in g["params"]}
    for part, halvings in {"embeddings": 4, "encoder.layer.0": 3, "layernorm": 0}.items():
        found = {lr for name, lr in rates.items() if name.startswith(f"backbone.model.{part}.")}
        assert found == {1e-4 / 2**halvings}, part
    assert len(groups) == 10  # two a layer; the last norm and the head share theirs


def test_without_part_lr_the_layers_decay_from_the_optimizers():
    model = Model(Layered())
    groups = _build(model, layer_decay=dict(backbone=0.5)).optimizer.param_groups
    rates = {id(p): g["lr"] for g in groups for p in g["params"]}
    assert rates[id(model.backbone.norm.bias)] == 1e-4
    assert rates[id(model.backbone.embeddings.bias)] == pytest.approx(1.25e-5)


def test_no_decay_gives_the_groups_of_one_rate():
    model = Model(Layered())
    plain = _build(model, part_lr=dict(backbone=1e-5)).optimizer.param_groups
    paramwise = dict(part_lr=dict(backbone=1e-5), layer_decay=dict(backbone=1.0))
    groups = _build(model, **paramwise).optimizer.param_groups
    assert [[id(p) for p in g["params"]] for g in groups] == [
        [id(p) for p in g["params"]] for g in plain
    ]
    assert [g["lr"] for g in groups] == [g["lr"] for g in plain]


def test_a_wrapped_model_gives_the_same_groups():
    wrapped = nn.Module()
    wrapped.module = Model()
    groups = _build(wrapped, part_lr=dict(backbone=1e-5)).optimizer.param_groups
    assert [group["lr"] for group in groups] == [1e-4, 1e-4, 1e-5, 1e-5]


def test_one_line_of_the_log_tells_the_rates(monkeypatch):
    lines = []
    monkeypatch.setattr(
        "handvit.engine.optim.part_lr_constructor.print_log",
        lambda line, logger, level: lines.append((line, level)),
    )
    paramwise = dict(part_lr=dict(backbone=1e-5), layer_decay=dict(backbone=0.5))
    _build(Model(Layered()), **paramwise)
    line = "Optimizer: 9 parameter groups; learning rates: backbone 1.25e-06 to 1e-05, head 0.0001"
    assert lines == [(line, logging.INFO)]


@pytest.mark.parametrize("key", ["part_lr", "layer_decay"])
def test_an_unknown_part_is_refused(key):
    with pytest.raises(ValueError, match=rf"{key}: the model has no part \['bakbone'\]"):
        _build(Model(), **{key: dict(bakbone=1e-5)})


@pytest.mark.parametrize("key", ["lr", "weight_decay"])
def test_an_optimizer_without_its_rates_is_refused(key):
    optimizer = dict(type="AdamW", lr=1e-4, weight_decay=0.1)
    del optimizer[key]
    with pytest.raises(ValueError, match=f"optimizer: has no {key}; set both"):
        PartLRConstructor(dict(optimizer=optimizer))


def test_an_unknown_key_is_refused():
    with pytest.raises(ValueError, match=r"unknown keys \['custom_keys'\]"):
        _build(Model(), custom_keys=dict(backbone=dict(lr_mult=0.1)))


def test_a_part_without_layers_is_refused():
    with pytest.raises(ValueError, match="Sequential, the model's 'backbone', does not tell"):
        _build(Model(), layer_decay=dict(backbone=0.75))


@pytest.mark.parametrize("decay", [0.0, -0.5, 1.01, float("nan")])
def test_a_decay_outside_its_range_is_refused(decay):
    with pytest.raises(ValueError, match=r"layer_decay\.backbone=.*must be in \(0, 1\]"):
        _build(Model(Layered()), layer_decay=dict(backbone=decay))


def test_a_layer_outside_its_range_is_our_mistake():
    backbone = Layered()
    backbone.num_layers = 1
    with pytest.raises(AssertionError, match=r"layer_of\('norm.weight'\) is 3, not 0 to 2"):
        _build(Model(backbone), layer_decay=dict(backbone=0.75))


def test_the_optimizer_trains():
    model = Model()
    wrapper = _build(model)
    before = model.head.weight.detach().clone()
    wrapper.update_params(model.head(model.backbone(torch.ones(4, 2))).sum())
    assert not torch.equal(before, model.head.weight)
