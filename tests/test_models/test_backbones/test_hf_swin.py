import pytest
import torch
from transformers import AutoConfig, AutoModel, Swinv2ForImageClassification

from handvit.registry import MODELS

FAMILIES = ["swin", "swinv2"]


def reference(config, backbone):
    """Build transformers' own model of a config with the backbone's weights."""
    arguments = dict(config)
    model_type = arguments.pop("model_type")
    model = AutoModel.from_config(AutoConfig.for_model(model_type, **arguments)).eval()
    model.load_state_dict(backbone.model.state_dict())
    return model


@pytest.mark.parametrize("model_type", FAMILIES)
def test_tokens_are_the_last_stage(model_type, build):
    backbone = build(model_type)
    tokens = backbone(torch.randn(2, 3, 48, 32))
    assert backbone.dim == 16
    assert tokens.grid == (6, 4)
    assert tokens.prefix.shape == (2, 0, 16)
    assert tokens.patches.shape == tokens.all.shape == (2, 24, 16)


@pytest.mark.parametrize("size", [(32, 32), (64, 48)], ids=["native", "other"])
@pytest.mark.parametrize("model_type", FAMILIES)
def test_tokens_are_transformers_own(model_type, size, build, tiny_config):
    backbone = build(model_type).eval()
    model = reference(tiny_config(model_type), backbone)
    crop = torch.randn(2, 3, *size)
    wanted = model(crop).last_hidden_state
    torch.testing.assert_close(backbone(crop).patches, wanted, rtol=0, atol=1e-5)


def test_published_layout_at_another_size(tiny_config):
    """Four stages; the last one is a single window that an odd block does not shift."""
    config = tiny_config(
        "swinv2",
        depths=[1, 1, 1, 2],
        num_heads=[1, 1, 1, 2],
        image_size=64,
        pretrained_window_sizes=[3, 3, 3, 2],
    )
    backbone = MODELS.build(dict(type="HFSwin", config=config)).eval()
    assert (backbone.dim, backbone.stride, backbone.num_layers) == (64, 32, 5)
    crop = torch.randn(1, 3, 128, 64)
    wanted = reference(config, backbone)(crop).last_hidden_state
    assert backbone(crop).grid == (4, 2)
    torch.testing.assert_close(backbone(crop).patches, wanted, rtol=0, atol=1e-5)


@pytest.mark.parametrize("model_type", FAMILIES)
def test_tokens_do_not_depend_on_the_crops_before(model_type, tiny_config):
    """Transformers' Swin remembers the smallest crop that it has seen."""
    config = tiny_config(model_type, depths=[2, 2])
    backbone = MODELS.build(dict(type="HFSwin", config=config)).eval()
    crop = torch.randn(1, 3, 64, 64)
    first = backbone(crop).patches
    backbone(torch.randn(1, 3, 32, 32))
    assert torch.equal(backbone(crop).patches, first)


@pytest.mark.parametrize("model_type", FAMILIES)
def test_cells_come_in_raster_order(model_type, build):
    """A change in one corner moves the cells near it; the far corner is out of its windows."""
    backbone = build(model_type).eval()
    crop = torch.randn(1, 3, 64, 96)
    plain = backbone(crop).patches
    crop[:, :, :4, -4:] = 3
    change = (backbone(crop).patches - plain).norm(dim=-1).unflatten(1, (8, 12))[0]
    assert change.argmax().item() // 12 < 4
    assert change.argmax().item() % 12 >= 8
    assert change[4:, :8].max() == 0


@pytest.mark.parametrize("model_type", FAMILIES)
def test_local_folder_gives_the_same_tokens(model_type, build, tmp_path):
    backbone = build(model_type).eval()
    backbone.model.save_pretrained(tmp_path)
    loaded = MODELS.build(dict(type="HFSwin", pretrained=str(tmp_path))).eval()
    crop = torch.randn(1, 3, 48, 32)
    assert torch.equal(loaded(crop).all, backbone(crop).all)


def test_folder_with_a_classifier_is_what_the_hub_has(build, tmp_path):
    backbone = build("swinv2").eval()
    whole = Swinv2ForImageClassification(backbone.model.config)
    whole.swinv2.load_state_dict(backbone.model.state_dict())
    whole.save_pretrained(tmp_path)
    loaded = MODELS.build(dict(type="HFSwin", pretrained=str(tmp_path))).eval()
    crop = torch.randn(1, 3, 32, 32)
    assert torch.equal(loaded(crop).all, backbone(crop).all)


def test_attention_is_the_fused_one_where_the_family_has_it(build):
    assert build("swin").model.config._attn_implementation == "sdpa"
    assert build("swinv2").model.config._attn_implementation == "eager"


def test_side_must_be_a_multiple_of_the_stride(build):
    with pytest.raises(ValueError, match=r"crop_size 36x36 .* side of 8 px; set crop_size=32"):
        build("swinv2")(torch.randn(1, 3, 36, 36))


@pytest.mark.parametrize("model_type", FAMILIES)
def test_side_must_hold_the_windows(model_type, build):
    with pytest.raises(ValueError, match=r"24x32 is less than .* image_size 32; set crop_size=32"):
        build(model_type)(torch.randn(1, 3, 24, 32))
