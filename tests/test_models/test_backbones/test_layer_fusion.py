import itertools

import pytest
import torch
from torch.nn import functional as F

from handvit.models.backbones.layer_fusion import LayerFusion

FUSION = dict(type="LayerFusion", layers=(1, 3))
FAMILIES = ["dinov2", "dinov2_with_registers", "dinov3_vit", "vit", "vit_mae"]


@pytest.mark.parametrize("model_type", FAMILIES)
def test_untrained_fusion_returns_the_last_tokens_exactly(model_type, build):
    plain, fused = build(model_type).eval(), build(model_type, fusion=FUSION).eval()
    fused.load_state_dict(plain.state_dict(), strict=False)
    crop = torch.randn(2, 3, 56, 28)
    for one, other in zip(plain(crop), fused(crop), strict=True):
        assert one == other if isinstance(one, tuple) else torch.equal(one, other)


@pytest.mark.parametrize("model_type", FAMILIES)
def test_trained_fusion_adds_a_map_of_the_normalised_blocks(model_type, build):
    backbone = build(model_type, fusion=FUSION).eval()
    torch.nn.init.normal_(backbone.fusion.linear.weight)
    states = []
    for block in (backbone.model.get_submodule(name) for name in block_names(backbone)):
        block.register_forward_hook(lambda _, __, output: states.append(output))
    crop = torch.randn(2, 3, 28, 28)
    tokens = backbone(crop)

    # The first block's output, and what the model returns in place of the last block's.
    last = backbone.model(crop, **arguments(model_type)).last_hidden_state
    mixed = torch.cat([F.layer_norm(state, (16,)) for state in (states[0], last)], -1)
    wanted = last + mixed @ backbone.fusion.linear.weight.T
    torch.testing.assert_close(tokens.prefix, wanted[:, :1])
    torch.testing.assert_close(tokens.patches, wanted[:, -4:])


@pytest.mark.parametrize("model_type", FAMILIES)
def test_fused_states_are_what_the_next_blocks_get(model_type, build):
    """Also in training, where whole blocks are skipped."""
    backbone = build(model_type, fusion=dict(type="LayerFusion", layers=(1, 2, 3)), drop_path=0.5)
    received, fused = [], []
    for block in (backbone.model.get_submodule(name) for name in block_names(backbone)):
        block.register_forward_pre_hook(lambda _, arguments: received.append(arguments[0]))
    backbone.fusion.register_forward_pre_hook(lambda _, arguments: fused.extend(arguments[0]))
    assert backbone.training
    backbone(torch.randn(8, 3, 28, 28))
    assert len(fused) == 4
    for state, wanted in zip(fused[:3], received, strict=True):
        assert torch.equal(state, wanted)
    skipped = [(a == b).all((1, 2)).any() for a, b in itertools.pairwise(received)]
    assert any(skipped)


def block_names(backbone) -> list[str]:
    name = {"dinov3_vit": "model.layer"}.get(backbone.model.config.model_type)
    name = name or ("encoder.layer" if hasattr(backbone.model, "encoder") else "layers")
    return [f"{name}.{number}" for number in range(3)]


def arguments(model_type: str) -> dict:
    if model_type == "vit":
        return dict(interpolate_pos_encoding=True)
    if model_type == "vit_mae":
        return dict(interpolate_pos_encoding=True, noise=torch.arange(4).expand(2, -1))
    return {}


def test_gradient_reaches_the_map_at_once_and_the_norms_later(build):
    backbone = build("dinov2", fusion=FUSION)
    optimizer = torch.optim.SGD(backbone.fusion.parameters(), lr=1.0)
    crop = torch.randn(2, 3, 28, 28)
    backbone(crop).patches.square().sum().backward()
    assert backbone.fusion.linear.weight.grad.abs().sum() > 0
    assert all(norm.weight.grad.abs().sum() == 0 for norm in backbone.fusion.norms)
    optimizer.step()
    backbone(crop).patches.square().sum().backward()
    assert all(norm.weight.grad.abs().sum() > 0 for norm in backbone.fusion.norms)


@pytest.mark.parametrize("layers", [(), (0, 3), (1, 4), (3, 1), (2, 2)])
def test_layers_must_be_blocks_in_order(layers):
    with pytest.raises(ValueError, match=r"layers=.* from 1 to 3, e\.g\."):
        LayerFusion(dim=16, num_layers=3, layers=layers)
