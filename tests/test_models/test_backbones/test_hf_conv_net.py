import pytest
import torch

from handvit.models.backbones import HFConvNet
from handvit.models.layers import sincos_position_encoding
from handvit.registry import MODELS

CONFIGS = {
    "resnet": dict(embedding_size=8, hidden_sizes=[8, 16], depths=[1, 1], layer_type="basic"),
    "convnextv2": dict(hidden_sizes=[4, 8, 12, 16], depths=[1, 1, 1, 1]),
    "mobilevit": dict(
        hidden_sizes=[8, 12, 16],
        neck_hidden_sizes=[4, 4, 8, 8, 12, 16, 16],
        num_attention_heads=2,
    ),
}
STRIDES = {"resnet": 8, "convnextv2": 32, "mobilevit": 32}
UNUSED = {"convnextv2": {"model.layernorm.weight", "model.layernorm.bias"}}


def build(model_type: str = "resnet") -> HFConvNet:
    config = dict(model_type=model_type, **CONFIGS[model_type])
    return MODELS.build(dict(type="HFConvNet", config=config))


@pytest.mark.parametrize("model_type", CONFIGS)
def test_tokens_of_every_family(model_type):
    backbone = build(model_type)
    tokens = backbone(torch.randn(2, 3, 128, 64))
    rows, columns = 128 // STRIDES[model_type], 64 // STRIDES[model_type]
    assert backbone.dim == 16
    assert tokens.grid == (rows, columns)
    assert tokens.prefix.shape == (2, 0, 16)
    assert tokens.patches.shape == tokens.all.shape == (2, rows * columns, 16)


@pytest.mark.parametrize("model_type", CONFIGS)
def test_every_trainable_parameter_gets_a_gradient(model_type):
    backbone = build(model_type)
    backbone(torch.randn(2, 3, 64, 64)).patches.square().sum().backward()
    unused = set()
    for name, parameter in backbone.named_parameters():
        assert (parameter.grad is not None) == parameter.requires_grad, name
        unused |= set() if parameter.requires_grad else {name}
    assert unused == UNUSED.get(model_type, set())


def test_cells_come_in_raster_order_with_their_place():
    backbone = build().eval()
    crop = torch.randn(1, 3, 64, 48)
    tokens = backbone(crop)
    feature_map = backbone.model(crop).last_hidden_state
    code = sincos_position_encoding((8, 6), 16)
    wanted = feature_map[0, :, 2, 5] + code[2 * 6 + 5]
    torch.testing.assert_close(tokens.patches[0, 2 * 6 + 5], wanted)


def test_building_leaves_running_statistics_alone():
    statistics = {name: b for name, b in build().named_buffers() if "running" in name}
    assert statistics
    for name, value in statistics.items():
        assert torch.equal(value, torch.full_like(value, float("var" in name))), name


def test_new_model_is_in_training_mode():
    assert all(module.training for module in build().modules())


def test_local_folder_gives_the_same_tokens(tmp_path):
    backbone = build().eval()
    backbone.model.save_pretrained(tmp_path)
    loaded = MODELS.build(dict(type="HFConvNet", pretrained=str(tmp_path))).eval()
    crop = torch.randn(1, 3, 64, 64)
    assert torch.equal(loaded(crop).patches, backbone(crop).patches)


def test_model_without_a_feature_map_is_refused():
    config = dict(model_type="dinov2", hidden_size=16, num_hidden_layers=1, num_attention_heads=2)
    with pytest.raises(ValueError, match=r"'dinov2' returns no feature map; .* use HFViT"):
        HFConvNet(config=config)


def test_width_must_fit_the_position_code():
    config = {**CONFIGS["resnet"], "model_type": "resnet", "hidden_sizes": [8, 18]}
    with pytest.raises(ValueError, match="width 18"):
        HFConvNet(config=config)
