import sys

import pytest
import torch
from torch import nn

from handvit.models.backbones.hf_loading import load_hf_model
from handvit.models.backbones.lora import add_lora

pytest.importorskip("peft")

# Adapters of the tiny models: two a block of attention.
NUM_ADAPTERS = {
    "dinov2": 6,
    "dinov2_with_registers": 6,
    "dinov3_vit": 6,
    "vit": 6,
    "vit_mae": 6,
    "swin": 6,
    "swinv2": 6,
    "mobilevit": 18,
}
SIDES = {"swin": 32, "swinv2": 32, "mobilevit": 64}


def crops(model_type: str) -> torch.Tensor:
    side = SIDES.get(model_type, 28)
    return torch.randn(2, 3, side, side)


@pytest.mark.parametrize("model_type", NUM_ADAPTERS)
def test_only_adapters_of_query_and_value_train(model_type, build):
    backbone = build(model_type, lora=dict(rank=2))
    trained = [name for name, p in backbone.named_parameters() if p.requires_grad]
    assert len(trained) == 2 * NUM_ADAPTERS[model_type]
    for name in trained:
        assert ".lora_" in name
        assert name.split(".lora_")[0].endswith(("q_proj", "v_proj", "query", "value"))


@pytest.mark.parametrize("model_type", NUM_ADAPTERS)
def test_nothing_changes_before_the_first_step(model_type, tiny_config):
    model = load_hf_model(None, tiny_config(model_type)).eval()
    side = SIDES.get(model_type, 56)
    crop = torch.randn(1, 3, side, side)
    arguments = dict(noise=torch.rand(1, 16)) if model_type == "vit_mae" else {}
    before = model(crop, **arguments).last_hidden_state
    add_lora(model, rank=2)
    after = model(crop, **arguments).last_hidden_state
    torch.testing.assert_close(after, before, rtol=0, atol=1e-6)


def test_adapters_add_the_scaled_product(build):
    """Hu et al. 2021, eq. 3: W x + alpha / r * B A x."""
    backbone = build("dinov2", lora=dict(rank=2, alpha=6)).double().eval()
    query = backbone.model.encoder.layer[0].attention.q_proj
    nn.init.normal_(query.lora_B["default"].weight)
    tokens = torch.randn(5, 16, dtype=torch.float64)
    product = query.lora_B["default"].weight @ query.lora_A["default"].weight
    wanted = query.base_layer(tokens) + 6 / 2 * tokens @ product.T
    torch.testing.assert_close(query(tokens), wanted)


def test_a_step_moves_adapters_only(build):
    backbone = build("dinov2", lora=dict(rank=2, dropout=0.1))
    before = {name: value.clone() for name, value in backbone.state_dict().items()}
    optimizer = torch.optim.SGD([p for p in backbone.parameters() if p.requires_grad], lr=1.0)
    backbone(crops("dinov2")).all.square().sum().backward()
    optimizer.step()
    moved = {n for n, value in backbone.state_dict().items() if not torch.equal(value, before[n])}
    assert moved
    assert all(".lora_B." in name for name in moved)  # A waits for B to leave zero


def test_state_dict_round_trip(build):
    saved, loaded = build("vit", lora=dict(rank=2)), build("vit", lora=dict(rank=2))
    for name, parameter in saved.named_parameters():
        if ".lora_B." in name:
            nn.init.normal_(parameter)
    crop = crops("vit")
    assert not torch.allclose(loaded.eval()(crop).all, saved.eval()(crop).all)
    loaded.load_state_dict(saved.state_dict())
    assert torch.equal(loaded(crop).all, saved(crop).all)


def test_local_folder_keeps_its_weights_under_the_adapters(build, tmp_path):
    plain = build("dinov2").eval()
    plain.model.save_pretrained(tmp_path)
    adapted = type(plain)(pretrained=str(tmp_path), lora=dict(rank=2)).eval()
    crop = crops("dinov2")
    assert torch.equal(adapted(crop).all, plain(crop).all)


def test_other_maps_can_be_named(build):
    backbone = build("dinov2", lora=dict(rank=2, target_modules=("fc1",)))
    trained = [name for name, p in backbone.named_parameters() if p.requires_grad]
    assert len(trained) == 6
    assert all(".mlp.fc1.lora_" in name for name in trained)


def test_misnamed_map_is_refused_with_the_choice(build):
    with pytest.raises(ValueError, match=r"'dinov2' has no linear maps \['qkv'\].*'q_proj'"):
        build("dinov2", lora=dict(target_modules=("qkv", "fc1")))


def test_model_without_attention_is_refused(build):
    with pytest.raises(ValueError, match=r"'convnextv2' has no query and value .*'pwconv1'"):
        build("convnextv2", lora=dict(rank=2))


def test_missing_peft_is_named_with_the_way_to_get_it(build, monkeypatch):
    monkeypatch.setitem(sys.modules, "peft", None)
    with pytest.raises(ImportError, match="pip install peft"):
        build("dinov2", lora=dict(rank=2))
