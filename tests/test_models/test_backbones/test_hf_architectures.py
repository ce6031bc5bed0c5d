import time

import pytest
import torch

from handvit.models.backbones.hf_architectures import ARCHITECTURES
from handvit.models.backbones.hf_families import FAMILIES
from handvit.models.backbones.hf_loading import load_hf_model
from handvit.registry import MODELS

# Millions of parameters of the encoders, as their papers and model cards state them.
PUBLISHED = {
    "dinov2-small": 22.1,
    "dinov2-base": 86.6,
    "dinov2-large": 304.4,
    "dinov2-giant": 1136.5,
    "dinov2-with-registers-small": 22.1,
    "dinov2-with-registers-base": 86.6,
    "dinov2-with-registers-large": 304.4,
    "dinov2-with-registers-giant": 1136.5,
    "dinov3-vits16-pretrain-lvd1689m": 21.6,
    "dinov3-vitb16-pretrain-lvd1689m": 85.7,
    "dinov3-vitl16-pretrain-lvd1689m": 303.1,
    "dinov3-vith16plus-pretrain-lvd1689m": 840.5,
    "vit-mae-base": 85.8,
    "vit-mae-large": 303.3,
    "vit-mae-huge": 630.8,
    "swinv2-tiny-patch4-window8-256": 27.6,
    "swinv2-small-patch4-window8-256": 49.0,
    "swinv2-base-patch4-window12to16-192to256-22kto1k-ft": 86.9,
    "swinv2-large-patch4-window12to16-192to256-22kto1k-ft": 195.2,
    "convnextv2-tiny-22k-224": 27.9,
    "mobilevit-small": 4.9,
}
BIG = {
    "dinov2-giant": dict(drop_cls=True, fusion=dict(type="LayerFusion", layers=(10, 20, 30, 40))),
    "dinov3-vith16plus-pretrain-lvd1689m": dict(gradient_checkpointing=True, drop_path=0.3),
    "vit-mae-huge": dict(fusion=dict(type="LayerFusion", layers=(8, 32)), drop_path=0.3),
    "swinv2-large-patch4-window12to16-192to256-22kto1k-ft": dict(drop_path=0.2),
}


def build(name: str, **options):
    config = ARCHITECTURES[name]
    backbone = FAMILIES[config["model_type"]].backbone
    with torch.device("meta"):
        return MODELS.build(dict(type=backbone, config=config, **options))


def test_every_architecture_has_its_published_size():
    assert PUBLISHED.keys() == ARCHITECTURES.keys()


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_number_of_parameters_is_the_published_one(name):
    with torch.device("meta"):
        model = load_hf_model(None, ARCHITECTURES[name])
    millions = sum(parameter.numel() for parameter in model.parameters()) / 1e6
    assert millions == pytest.approx(PUBLISHED[name], abs=0.1)


@pytest.mark.parametrize("name", BIG)
def test_big_models_are_built_and_run_on_the_meta_device_at_once(name):
    build("dinov2-small")  # imports
    start = time.process_time()
    backbone = build(name, **BIG[name])
    assert time.process_time() - start < 2
    tensors = [*backbone.parameters(), *backbone.buffers()]
    assert {tensor.device.type for tensor in tensors} == {"meta"}

    side = 256 if "swin" in name else 224
    tokens = backbone(torch.zeros(2, 3, side, side, device="meta"))
    assert tokens.patches.shape == (2, tokens.grid[0] * tokens.grid[1], backbone.dim)
    assert tokens.all.requires_grad


def test_adapters_are_built_on_the_meta_device_too():
    pytest.importorskip("peft")
    backbone = build("dinov2-giant", lora=dict(rank=8))
    trained = [p for p in backbone.parameters() if p.requires_grad]
    # Query and value of 40 blocks, A and B of 8 x 1536 each.
    assert sum(parameter.numel() for parameter in trained) == 40 * 2 * 2 * 8 * 1536
    assert {parameter.device.type for parameter in trained} == {"meta"}
