import re

import pytest
import torch
import transformers

from handvit.models.backbones import HFConvNet, HFSwin, HFViT, HFViTMAE
from handvit.models.backbones.hf_families import FAMILIES, find_blocks

CLASSES = {cls.__name__: cls for cls in (HFConvNet, HFSwin, HFViT, HFViTMAE)}
NUM_BLOCKS = {
    **dict.fromkeys(["dinov2", "dinov2_with_registers", "dinov3_vit", "vit", "vit_mae"], 3),
    **dict.fromkeys(["swin", "swinv2", "resnet"], 3),
    **dict.fromkeys(["convnext", "convnextv2"], 5),
    "mobilevit": 7,  # 1 + 3 inverted residuals, 3 with transformers
}
# What is neither a block nor part of one, to its depth; L is the number of blocks.
BEFORE = ("model.embeddings.", "model.embedder.", "model.conv_stem.")
AFTER = ("model.layernorm.", "model.norm.", "model.pooler.", "model.conv_1x1_exp.", "fusion.")


@pytest.mark.parametrize("model_type", FAMILIES)
def test_blocks_run_in_their_order(model_type, build):
    backbone = build(model_type).eval()
    blocks = find_blocks(backbone.model)
    assert backbone.num_layers == len(blocks) == NUM_BLOCKS[model_type]
    order = []
    for name, block in blocks.items():
        block.register_forward_hook(lambda *_, name=name: order.append(name))
    # The patches of the tiny models are 14 px, the strides of the others up to 32 px.
    side = 56 if "ViT" in FAMILIES[model_type].backbone else 64
    backbone(torch.randn(1, 3, side, side))
    assert order == list(blocks)


@pytest.mark.parametrize("model_type", FAMILIES)
def test_depth_of_every_parameter(model_type, build):
    backbone = build(model_type)
    blocks = list(find_blocks(backbone.model))
    for name, _ in backbone.named_parameters():
        number = backbone.layer_of(name)
        if name.startswith(BEFORE):
            assert number == 0, name
        elif name.startswith(AFTER):
            assert number == backbone.num_layers + 1, name
        else:
            assert 1 <= number <= backbone.num_layers, name
            inside = [b for b in blocks if name.startswith(f"model.{b}.")]
            assert "downsampl" in name or inside == [blocks[number - 1]], name


def test_depths_by_hand(build):
    fused = build("dinov2", fusion=dict(type="LayerFusion", layers=(2, 3)), lora=dict(rank=2))
    assert fused.layer_of("model.embeddings.position_embeddings") == 0
    assert fused.layer_of("model.encoder.layer.0.norm1.weight") == 1
    assert fused.layer_of("model.encoder.layer.2.attention.q_proj.lora_A.default.weight") == 3
    assert fused.layer_of("model.layernorm.bias") == 4
    assert fused.layer_of("fusion.linear.weight") == 4
    swin = build("swinv2")
    assert swin.layer_of("model.encoder.layers.0.blocks.1.attention.self.query.weight") == 2
    assert swin.layer_of("model.encoder.layers.0.downsample.reduction.weight") == 2
    assert swin.layer_of("model.encoder.layers.1.blocks.0.layernorm_after.weight") == 3
    assert swin.layer_of("model.layernorm.weight") == 4
    assert build("convnextv2").layer_of("model.encoder.stages.1.downsampling_layer.1.weight") == 1


@pytest.mark.parametrize("model_type", FAMILIES)
def test_wrong_class_names_the_right_one(model_type, tiny_config):
    wanted = FAMILIES[model_type].backbone
    for name, cls in CLASSES.items():
        if name != wanted:
            with pytest.raises(ValueError, match=f"{name} cannot use '{model_type}'.*'{wanted}'"):
                cls(config=tiny_config(model_type))


def test_model_without_blocks_is_refused(build, monkeypatch):
    """A version of transformers that names modules otherwise must not leave L at 0."""
    renamed = FAMILIES["dinov2"]._replace(blocks=r"encoder\.block\.\d+")
    monkeypatch.setitem(FAMILIES, "dinov2", renamed)
    found = rf"no blocks .* in 'dinov2' of transformers {re.escape(transformers.__version__)};"
    with pytest.raises(ValueError, match=found):
        build("dinov2")


def test_unknown_family_is_refused_with_the_known_ones():
    config = dict(model_type="regnet", embedding_size=8, hidden_sizes=[8] * 4, groups_width=4)
    with pytest.raises(ValueError, match=r"unknown model_type 'regnet'; known: \['convnext'"):
        HFConvNet(config=config)
