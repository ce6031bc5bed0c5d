import warnings

import pytest
import torch
from torch import nn

from handvit.models.backbones.hf_families import FAMILIES, find_blocks
from handvit.models.backbones.training_options import apply_training_options

TRANSFORMERS = [name for name, f in FAMILIES.items() if f.backbone != "HFConvNet"]
CONVOLUTIONS = ["resnet", "convnext", "convnextv2"]
SIDES = {"HFViT": 28, "HFViTMAE": 28, "HFSwin": 32}


def crops(model_type: str) -> torch.Tensor:
    side = SIDES[FAMILIES[model_type].backbone]
    return torch.randn(2, 3, side, side)


def assert_equal_gradients(one: nn.Module, other: nn.Module, crop: torch.Tensor) -> None:
    for backbone in (one, other):
        assert backbone.training
        torch.manual_seed(7)  # the same blocks are dropped
        backbone(crop).all.square().sum().backward()
    for (name, wanted), found in zip(one.named_parameters(), other.parameters(), strict=True):
        assert wanted.requires_grad == found.requires_grad, name
        if wanted.requires_grad:
            torch.testing.assert_close(found.grad, wanted.grad, msg=name)


@pytest.mark.parametrize("options", [{}, dict(drop_path=0.5)], ids=["plain", "drop_path"])
@pytest.mark.parametrize("model_type", TRANSFORMERS)
def test_gradient_checkpointing_changes_no_gradient(model_type, options, build):
    plain = build(model_type, **options)
    checkpointed = build(model_type, gradient_checkpointing=True, **options)
    checkpointed.load_state_dict(plain.state_dict())
    assert_equal_gradients(plain, checkpointed, crops(model_type))


def test_gradient_checkpointing_goes_with_fusion_and_adapters(build):
    options = dict(fusion=dict(type="LayerFusion", layers=(1, 2, 3)), lora=dict(rank=2))
    plain, checkpointed = (
        build("dinov2", gradient_checkpointing=flag, **options) for flag in (False, True)
    )
    for name, parameter in plain.named_parameters():
        if ".lora_B." in name or "fusion.linear" in name:
            nn.init.normal_(parameter)
    checkpointed.load_state_dict(plain.state_dict())
    assert_equal_gradients(plain, checkpointed, crops("dinov2"))


@pytest.mark.parametrize("model_type", TRANSFORMERS)
def test_gradient_checkpointing_recomputes_every_block(model_type, build):
    backbone = build(model_type, gradient_checkpointing=True)
    calls = {name: 0 for name in find_blocks(backbone.model)}

    def count(name: str):
        def hook(*_):
            calls[name] += 1

        return hook

    for name, block in find_blocks(backbone.model).items():
        norm = next(m for m in block.modules() if isinstance(m, nn.LayerNorm))
        norm.register_forward_hook(count(name))
    backbone(crops(model_type)).all.sum().backward()
    # Swin recomputes its stages, and the blocks in them once more.
    assert all(number >= 2 for number in calls.values()), calls


def test_gradient_checkpointing_of_a_hybrid(build):
    """Only its blocks that hold transformers are recomputed."""
    plain, checkpointed = (
        build("mobilevit", gradient_checkpointing=flag) for flag in (False, True)
    )
    checkpointed.load_state_dict(plain.state_dict())
    calls = []
    norm = checkpointed.model.encoder.layer[2].layernorm
    norm.register_forward_hook(lambda *_: calls.append(1))
    assert_equal_gradients(plain, checkpointed, torch.randn(2, 3, 64, 64))
    assert len(calls) == 2


@pytest.mark.parametrize("model_type", CONVOLUTIONS)
def test_gradient_checkpointing_is_refused_where_there_is_none(model_type, build):
    with pytest.raises(ValueError, match=f"no gradient checkpointing for '{model_type}'; set"):
        build(model_type, gradient_checkpointing=True)


def test_gradient_checkpointing_warns_of_nothing(build):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        build("dinov2", gradient_checkpointing=True)


def test_old_name_of_checkpointing_is_called_where_it_is_the_only_one(build):
    class Early(nn.Module):
        enabled = False
        config = build("dinov2").model.config
        supports_gradient_checkpointing = True

        def __init__(self) -> None:
            super().__init__()
            self.layers = nn.ModuleList([nn.Identity()])

        def gradient_checkpointing_enable(self) -> None:
            self.enabled = True

    model = Early()
    apply_training_options(model, drop_path=0.0, lora=None, gradient_checkpointing=True)
    assert model.enabled
