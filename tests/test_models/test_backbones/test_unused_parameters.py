import pytest
import torch
from torch import nn

from handvit.models.backbones.hf_families import FAMILIES
from handvit.models.backbones.unused_parameters import freeze_unused_parameters
from handvit.structures import HandTokens

OPTIONS = {
    "plain": {},
    "drop_cls": dict(drop_cls=True),
    "fusion": dict(fusion=dict(type="LayerFusion", layers=(1, 3))),
    "early fusion": dict(drop_cls=True, fusion=dict(type="LayerFusion", layers=(1,))),
    "checkpointing": dict(gradient_checkpointing=True),
    "lora": dict(lora=dict(rank=2)),
    "all": dict(
        drop_cls=True,
        fusion=dict(type="LayerFusion", layers=(2, 3)),
        gradient_checkpointing=True,
        lora=dict(rank=2),
        drop_path=0.1,
    ),
}
VIT = [name for name, family in FAMILIES.items() if family.backbone.startswith("HFViT")]
UNUSED = {
    "dinov2": {"model.embeddings.mask_token"},
    "dinov2_with_registers": {"model.embeddings.mask_token"},
    "dinov3_vit": {"model.embeddings.mask_token"},
    "vit": {"model.pooler.dense.weight", "model.pooler.dense.bias"},
    "vit_mae": {"model.embeddings.position_embeddings"},
    "convnext": {"model.layernorm.weight", "model.layernorm.bias"},
    "convnextv2": {"model.layernorm.weight", "model.layernorm.bias"},
}
SIDES = {"HFViT": 28, "HFViTMAE": 28, "HFSwin": 32, "HFConvNet": 64}


def assert_no_ddp_trap(backbone: nn.Module, side: int) -> None:
    """A training step gives a gradient to exactly the trainable parameters."""
    assert backbone.training
    backbone(torch.randn(2, 3, side, side)).all.square().sum().backward()
    for name, parameter in backbone.named_parameters():
        assert (parameter.grad is not None) == parameter.requires_grad, name


@pytest.mark.parametrize("model_type", FAMILIES)
def test_every_family_trains_what_it_uses_and_nothing_else(model_type, build):
    backbone = build(model_type)
    assert_no_ddp_trap(backbone, SIDES[FAMILIES[model_type].backbone])
    frozen = {name for name, p in backbone.named_parameters() if not p.requires_grad}
    assert frozen == UNUSED.get(model_type, set())


@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("model_type", VIT)
def test_no_option_opens_a_trap(model_type, options, build):
    assert_no_ddp_trap(build(model_type, **OPTIONS[options]), side=28)


class TwoMaps(nn.Module):
    """Half of a backbone is for nothing, and a quarter was frozen before."""

    def __init__(self) -> None:
        super().__init__()
        self.used, self.unused, self.norm = nn.Linear(3, 4), nn.Linear(3, 4), nn.BatchNorm2d(3)
        self.used.bias.requires_grad_(False)

    def forward(self, crop):
        tokens = self.used(self.norm(crop).flatten(2).mT)
        return HandTokens(tokens[:, :0], tokens, crop.shape[-2:])


@pytest.mark.parametrize("device", ["cpu", "meta"])
def test_graph_tells_the_used_parameters(device):
    with torch.device(device):
        backbone = TwoMaps()
        freeze_unused_parameters(backbone, crop_size=2)
    trained = {name for name, p in backbone.named_parameters() if p.requires_grad}
    assert trained == {"used.weight", "norm.weight", "norm.bias"}
    assert all(parameter.grad is None for parameter in backbone.parameters())


def test_statistics_stay_and_the_mode_is_training():
    backbone = TwoMaps()
    backbone.used.eval()
    freeze_unused_parameters(backbone, crop_size=2)
    assert backbone.norm.num_batches_tracked == 0
    assert all(module.training for module in backbone.modules())


def test_building_without_gradients_freezes_nothing_more():
    backbone = TwoMaps()
    with torch.no_grad():
        freeze_unused_parameters(backbone, crop_size=2)
    assert backbone.used.weight.requires_grad
