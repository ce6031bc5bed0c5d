import pytest
import torch
from torch.nn import functional as F
from transformers import ViTMAEConfig, ViTMAEForPreTraining, ViTMAEModel

from handvit.models.backbones import HFViTMAE
from handvit.registry import MODELS


@pytest.fixture
def backbone(build) -> HFViTMAE:
    return build("vit_mae").eval()


@pytest.fixture
def shuffling_model(backbone, tiny_config) -> ViTMAEModel:
    """Transformers' own model with the same weights; it shuffles even what it does not mask."""
    arguments = tiny_config("vit_mae", mask_ratio=0.0)
    del arguments["model_type"]
    model = ViTMAEModel(ViTMAEConfig(**arguments)).eval()
    model.load_state_dict(backbone.model.state_dict())
    return model


@pytest.mark.parametrize("size", [(56, 56), (42, 70)], ids=["native", "other"])
def test_tokens_are_transformers_own_once_unshuffled(size, backbone, shuffling_model):
    crop = torch.randn(2, 3, *size)
    output = shuffling_model(crop, interpolate_pos_encoding=True)
    shuffled = output.last_hidden_state[:, 1:]
    restored = shuffled.gather(1, output.ids_restore[..., None].expand_as(shuffled))
    tokens = backbone(crop)
    assert tokens.grid == (size[0] // 14, size[1] // 14)
    torch.testing.assert_close(tokens.patches, restored, rtol=0, atol=1e-5)
    torch.testing.assert_close(tokens.prefix, output.last_hidden_state[:, :1], rtol=0, atol=1e-5)
    assert not torch.allclose(shuffled, restored, atol=1e-3)


def test_native_size_needs_no_interpolation(backbone, shuffling_model):
    crop = torch.randn(1, 3, 56, 56)
    sequence = shuffling_model(crop, noise=torch.arange(16)[None]).last_hidden_state
    torch.testing.assert_close(backbone(crop).all, sequence, rtol=0, atol=1e-5)


def test_two_runs_are_equal_in_training_mode(backbone):
    crop = torch.randn(2, 3, 42, 42)
    backbone.train()
    assert torch.equal(backbone(crop).all, backbone(crop).all)


def test_tokens_follow_permuted_patches(backbone):
    """Without positions the encoder is equivariant, so token i is patch i in raster order."""
    with torch.no_grad():
        backbone.model.embeddings.position_embeddings.zero_()
    patches = torch.randn(1, 3, 12, 14, 14)
    order = torch.randperm(12)
    tokens, permuted = (backbone(tile(p, 3, 4)).patches for p in (patches, patches[:, :, order]))
    torch.testing.assert_close(permuted, tokens[:, order], rtol=0, atol=1e-5)
    assert not torch.allclose(permuted, tokens, atol=1e-3)


def tile(patches: torch.Tensor, rows: int, columns: int) -> torch.Tensor:
    """Lay patches (B, 3, N, P, P) out in raster order, (B, 3, rows * P, columns * P)."""
    return F.fold(
        patches.transpose(2, 4).transpose(2, 3).flatten(1, 3),
        (rows * 14, columns * 14),
        14,
        stride=14,
    )


def test_positions_are_never_trained(backbone, tmp_path):
    backbone.model.save_pretrained(tmp_path)
    loaded = MODELS.build(dict(type="HFViTMAE", pretrained=str(tmp_path)))
    for model in (backbone, loaded):
        frozen = [name for name, p in model.named_parameters() if not p.requires_grad]
        assert frozen == ["model.embeddings.position_embeddings"]


def test_local_folder_gives_the_same_tokens(backbone, tmp_path):
    """Its config masks, as the public ones do."""
    backbone.model.config.mask_ratio = 0.75
    backbone.model.save_pretrained(tmp_path)
    backbone.model.config.mask_ratio = 0.0
    loaded = MODELS.build(dict(type="HFViTMAE", pretrained=str(tmp_path))).eval()
    crop = torch.randn(1, 3, 56, 28)
    assert torch.equal(loaded(crop).all, backbone(crop).all)


def test_folder_with_the_decoder_is_what_the_hub_has(backbone, tmp_path):
    whole = ViTMAEForPreTraining(backbone.model.config)
    whole.vit.load_state_dict(backbone.model.state_dict())
    whole.save_pretrained(tmp_path)
    loaded = MODELS.build(dict(type="HFViTMAE", pretrained=str(tmp_path))).eval()
    crop = torch.randn(1, 3, 56, 56)
    assert torch.equal(loaded(crop).all, backbone(crop).all)


def test_class_token_can_be_dropped(backbone, build):
    dropped = build("vit_mae", drop_cls=True).eval()
    dropped.load_state_dict(backbone.state_dict())
    crop = torch.randn(2, 3, 28, 28)
    assert dropped(crop).prefix.shape == (2, 0, 16)
    assert torch.equal(dropped(crop).all, backbone(crop).patches)


def test_attention_is_the_fused_one(backbone):
    assert backbone.model.config._attn_implementation == "sdpa"


def test_crop_must_be_a_multiple_of_the_patch(backbone):
    with pytest.raises(ValueError, match=r"side of 14 px; set crop_size=56"):
        backbone(torch.randn(1, 3, 64, 64))
