import pytest
import torch
from torch.nn import functional as F
from transformers import AutoConfig, AutoModel

from handvit.models.backbones import HFViT
from handvit.registry import MODELS

FAMILIES = ["dinov2", "dinov2_with_registers", "dinov3_vit", "vit"]
NUM_REGISTERS = {"dinov2_with_registers": 3, "dinov3_vit": 4}


def reference(config: dict, backbone: HFViT) -> torch.nn.Module:
    """Build transformers' own model of a config with the backbone's weights."""
    arguments = dict(config)
    model_type = arguments.pop("model_type")
    model = AutoModel.from_config(AutoConfig.for_model(model_type, **arguments)).eval()
    model.load_state_dict(backbone.model.state_dict())
    return model


@pytest.mark.parametrize("model_type", FAMILIES)
def test_tokens_of_every_family(model_type, build):
    backbone = build(model_type)
    tokens = backbone(torch.randn(2, 3, 42, 28))
    assert backbone.dim == 16
    assert tokens.prefix.shape == (2, 1, 16)
    assert tokens.patches.shape == (2, 6, 16)
    assert tokens.grid == (3, 2)


@pytest.mark.parametrize("size", [(56, 56), (42, 70)], ids=["native", "other"])
@pytest.mark.parametrize("model_type", FAMILIES)
def test_tokens_are_transformers_own(model_type, size, build, tiny_config):
    backbone = build(model_type).eval()
    model = reference(tiny_config(model_type), backbone)
    crop = torch.randn(2, 3, *size)
    arguments = dict(interpolate_pos_encoding=True) if model_type == "vit" else {}
    sequence = model(crop, **arguments).last_hidden_state
    tokens = backbone(crop)
    first = 1 + NUM_REGISTERS.get(model_type, 0)
    torch.testing.assert_close(tokens.prefix, sequence[:, :1], rtol=0, atol=1e-5)
    torch.testing.assert_close(tokens.patches, sequence[:, first:], rtol=0, atol=1e-5)


@pytest.mark.parametrize("model_type", FAMILIES)
def test_places_of_tokens_are_not_random_in_training(model_type, build):
    """DINOv3's pre-training scales its rotary positions at random."""
    backbone, crop = build(model_type).train(), torch.randn(1, 3, 56, 56)
    assert torch.equal(backbone(crop).patches, backbone(crop).patches)


def test_gated_mlp_of_the_giants(build, tiny_config):
    for model_type, change in (
        ("dinov2", dict(use_swiglu_ffn=True)),
        ("dinov3_vit", dict(use_gated_mlp=True, hidden_act="silu")),
    ):
        config = tiny_config(model_type, **change)
        backbone = HFViT(config=config).eval()
        crop = torch.randn(1, 3, 28, 28)
        sequence = reference(config, backbone)(crop).last_hidden_state
        torch.testing.assert_close(backbone(crop).patches, sequence[:, -4:], rtol=0, atol=1e-5)


@pytest.mark.parametrize("model_type", FAMILIES)
def test_class_token_can_be_dropped(model_type, build):
    whole, dropped = build(model_type).eval(), build(model_type, drop_cls=True).eval()
    dropped.load_state_dict(whole.state_dict())
    crop = torch.randn(2, 3, 28, 28)
    tokens = dropped(crop)
    assert tokens.prefix.shape == (2, 0, 16)
    assert torch.equal(tokens.patches, whole(crop).patches)
    assert torch.equal(tokens.all, tokens.patches)


@pytest.mark.parametrize("model_type", FAMILIES)
def test_attention_is_the_fused_one(model_type, build, monkeypatch):
    backbone = build(model_type)
    assert backbone.model.config._attn_implementation == "sdpa"
    calls = []
    fused = F.scaled_dot_product_attention
    monkeypatch.setattr(
        F, "scaled_dot_product_attention", lambda *a, **k: calls.append(1) or fused(*a, **k)
    )
    backbone(torch.randn(1, 3, 28, 28))
    assert len(calls) == backbone.num_layers


def test_patches_come_in_raster_order(build):
    """With the blocks silenced, a token only knows its own patch."""
    backbone = build("dinov2").eval()
    with torch.no_grad():
        for name, parameter in backbone.named_parameters():
            if "layer_scale" in name:
                parameter.zero_()
    crop = torch.zeros(1, 3, 42, 56)
    plain = backbone(crop).patches
    crop[:, :, 14:28, 42:56] = 1  # row 1, column 3 of 3 x 4 patches
    changed = (backbone(crop).patches != plain).any(-1)[0]
    assert changed.nonzero().flatten().tolist() == [1 * 4 + 3]


@pytest.mark.parametrize("model_type", FAMILIES)
def test_local_folder_gives_the_same_tokens(model_type, build, tmp_path):
    backbone = build(model_type).eval()
    backbone.model.save_pretrained(tmp_path)
    assert (tmp_path / "model.safetensors").is_file()
    loaded = MODELS.build(dict(type="HFViT", pretrained=str(tmp_path)))
    names = [{n for n, p in m.named_parameters() if p.requires_grad} for m in (backbone, loaded)]
    assert names[0] == names[1]
    crop = torch.randn(1, 3, 28, 56)
    assert torch.equal(loaded.eval()(crop).all, backbone(crop).all)


def test_new_model_is_in_training_mode(build):
    assert all(module.training for module in build("dinov2").modules())


def test_crop_must_be_a_multiple_of_the_patch(build):
    with pytest.raises(ValueError, match=r"crop_size 64x64 .* side of 14 px; set crop_size=56"):
        build("dinov2")(torch.randn(1, 3, 64, 64))
