import pytest
import torch
from transformers import MobileViTImageProcessor

from handvit.models.backbones import HFConvNet
from handvit.models.layers import sincos_position_encoding
from handvit.registry import MODELS

STRIDES = {"resnet": 8, "convnext": 32, "convnextv2": 32, "mobilevit": 32}


@pytest.mark.parametrize("model_type", STRIDES)
def test_tokens_of_every_family(model_type, build):
    backbone = build(model_type)
    assert backbone.stride == STRIDES[model_type]
    tokens = backbone(torch.randn(2, 3, 128, 64))
    rows, columns = 128 // STRIDES[model_type], 64 // STRIDES[model_type]
    assert backbone.dim == 16
    assert tokens.grid == (rows, columns)
    assert tokens.prefix.shape == (2, 0, 16)
    assert tokens.patches.shape == tokens.all.shape == (2, rows * columns, 16)


def as_the_model_sees(crop: torch.Tensor, model_type: str) -> torch.Tensor:
    """MobileViT's checkpoints were trained with BGR."""
    return crop[:, [2, 1, 0]] if model_type == "mobilevit" else crop


@pytest.mark.parametrize("model_type", STRIDES)
def test_only_mobilevit_sees_the_channels_flipped(model_type, build):
    """As transformers hands them over to it."""
    backbone, seen = build(model_type), []
    backbone.model.register_forward_pre_hook(lambda _, arguments: seen.append(arguments[0]))
    crop = torch.randn(1, 3, 64, 64)
    backbone(crop)
    assert MobileViTImageProcessor().do_flip_channel_order
    assert torch.equal(seen[0], as_the_model_sees(crop, model_type))


@pytest.mark.parametrize("model_type", STRIDES)
def test_pixels_are_neither_dropped_nor_padded(model_type, build):
    backbone = build(model_type)
    side = 256 - STRIDES[model_type]
    with pytest.raises(ValueError, match=f"crop_size 255x255 .* set crop_size={side}"):
        backbone(torch.zeros(1, 3, 255, 255))


@pytest.mark.parametrize("model_type", STRIDES)
def test_cells_come_in_raster_order_with_their_place(model_type, build):
    backbone = build(model_type).eval()
    crop = torch.randn(1, 3, 128, 96)
    tokens = backbone(crop)
    feature_map = backbone.model(as_the_model_sees(crop, model_type)).last_hidden_state
    rows, columns = tokens.grid
    code = sincos_position_encoding(tokens.grid, 16)
    wanted = feature_map[0, :, rows - 2, 1] + code[(rows - 2) * columns + 1]
    torch.testing.assert_close(tokens.patches[0, (rows - 2) * columns + 1], wanted)


@pytest.mark.parametrize("model_type", STRIDES)
def test_models_are_built_and_run_on_the_meta_device(model_type, build):
    with torch.device("meta"):
        backbone = build(model_type)
    assert {p.device.type for p in [*backbone.parameters(), *backbone.buffers()]} == {"meta"}
    tokens = backbone(torch.zeros(2, 3, 128, 128, device="meta"))
    assert tokens.patches.shape == (2, (128 // STRIDES[model_type]) ** 2, 16)
    tokens.all.sum().backward()
    trained = {n for n, p in build(model_type).named_parameters() if p.requires_grad}
    assert {n for n, p in backbone.named_parameters() if p.grad is not None} == trained


@pytest.mark.parametrize("model_type", ["resnet", "mobilevit"])
def test_building_leaves_running_statistics_alone(model_type, build):
    statistics = {name: b for name, b in build(model_type).named_buffers() if "running" in name}
    assert statistics
    for name, value in statistics.items():
        assert torch.equal(value, torch.full_like(value, float("var" in name))), name


def test_new_model_is_in_training_mode(build):
    assert all(module.training for module in build("resnet").modules())


@pytest.mark.parametrize("model_type", STRIDES)
def test_local_folder_gives_the_same_tokens(model_type, build, tmp_path):
    backbone = build(model_type).eval()
    backbone.model.save_pretrained(tmp_path)
    loaded = MODELS.build(dict(type="HFConvNet", pretrained=str(tmp_path))).eval()
    crop = torch.randn(1, 3, 64, 64)
    assert torch.equal(loaded(crop).patches, backbone(crop).patches)


def test_width_must_fit_the_position_code(tiny_config):
    with pytest.raises(ValueError, match="width 18"):
        HFConvNet(config=tiny_config("resnet", hidden_sizes=[8, 18]))
