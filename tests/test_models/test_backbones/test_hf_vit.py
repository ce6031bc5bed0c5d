import pytest
import torch

from handvit.models.backbones import HFViT
from handvit.registry import MODELS

SIZES = dict(
    hidden_size=16, num_hidden_layers=2, num_attention_heads=2, image_size=56, patch_size=14
)
CONFIGS = {
    "dinov2": dict(mlp_ratio=2, **SIZES),
    "dinov2_with_registers": dict(mlp_ratio=2, num_register_tokens=3, **SIZES),
    "dinov3_vit": dict(intermediate_size=32, num_register_tokens=4, **SIZES),
    "vit": dict(intermediate_size=32, **SIZES),
}
UNUSED = {"mask_token", "pooler"}
# The new name of the method does not exist in early 5.x.
pytestmark = pytest.mark.filterwarnings("ignore:`gradient_checkpointing_enable` is deprecated")


def build(model_type: str = "dinov2", **changes) -> HFViT:
    config = dict(model_type=model_type, **CONFIGS[model_type])
    return MODELS.build(dict(type="HFViT", config=config, **changes))


@pytest.mark.parametrize("model_type", CONFIGS)
def test_tokens_of_every_family(model_type):
    backbone = build(model_type)
    tokens = backbone(torch.randn(2, 3, 42, 28))
    assert backbone.dim == 16
    assert tokens.prefix.shape == (2, 1, 16)
    assert tokens.patches.shape == (2, 6, 16)
    assert tokens.grid == (3, 2)


@pytest.mark.parametrize("model_type", CONFIGS)
def test_registers_are_dropped_and_the_class_token_leads(model_type):
    backbone = build(model_type).eval()
    crop = torch.randn(1, 3, 56, 56)
    tokens = backbone(crop)
    sequence = backbone.model(crop).last_hidden_state
    assert torch.equal(tokens.prefix, sequence[:, :1])
    assert torch.equal(tokens.patches, sequence[:, -16:])


@pytest.mark.parametrize("model_type", CONFIGS)
def test_every_trainable_parameter_gets_a_gradient(model_type):
    backbone = build(model_type)
    backbone(torch.randn(1, 3, 56, 56)).all.square().sum().backward()
    for name, parameter in backbone.named_parameters():
        assert (parameter.grad is not None) == parameter.requires_grad, name
        assert parameter.requires_grad or any(word in name for word in UNUSED), name


def test_patches_come_in_raster_order():
    """With the blocks silenced, a token only knows its own patch."""
    backbone = build().eval()
    with torch.no_grad():
        for name, parameter in backbone.named_parameters():
            if "layer_scale" in name:
                parameter.zero_()
    crop = torch.zeros(1, 3, 42, 56)
    plain = backbone(crop).patches
    crop[:, :, 14:28, 42:56] = 1  # row 1, column 3 of 3 x 4 patches
    changed = (backbone(crop).patches != plain).any(-1)[0]
    assert changed.nonzero().flatten().tolist() == [1 * 4 + 3]


def test_local_folder_gives_the_same_tokens(tmp_path):
    backbone = build().eval()
    backbone.model.save_pretrained(tmp_path)
    loaded = MODELS.build(dict(type="HFViT", pretrained=str(tmp_path))).eval()
    crop = torch.randn(1, 3, 56, 56)
    assert torch.equal(loaded(crop).all, backbone(crop).all)


def test_crop_must_be_a_multiple_of_the_patch():
    with pytest.raises(ValueError, match=r"crop_size 64x64 .* patch size 14; set crop_size=56"):
        build()(torch.randn(1, 3, 64, 64))


def test_model_that_masks_patches_is_refused():
    config = dict(model_type="vit_mae", intermediate_size=32, **SIZES)
    with pytest.raises(ValueError, match=r"cannot use 'vit_mae', .* 4 tokens for 16 patches"):
        HFViT(config=config)


def test_gradient_checkpointing_changes_no_gradient():
    plain, checkpointed = build(), build(gradient_checkpointing=True)
    checkpointed.load_state_dict(plain.state_dict())
    assert checkpointed.training
    crop = torch.randn(2, 3, 56, 56)
    for backbone in (plain, checkpointed):
        backbone(crop).all.square().sum().backward()
    for one, other in zip(plain.parameters(), checkpointed.parameters(), strict=True):
        assert one.requires_grad == other.requires_grad
        if one.requires_grad:
            torch.testing.assert_close(other.grad, one.grad)


def test_gradient_checkpointing_recomputes_the_blocks():
    backbone = build(gradient_checkpointing=True)
    calls = []
    backbone.model.encoder.layer[0].mlp.register_forward_hook(lambda *_: calls.append(1))
    backbone(torch.randn(1, 3, 56, 56)).all.sum().backward()
    assert len(calls) == 2
