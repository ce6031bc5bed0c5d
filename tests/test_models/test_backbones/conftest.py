"""Tiny models of every family, built the way configs do it."""

from collections.abc import Callable
from typing import Any

import pytest
from torch import nn

from handvit.models.backbones.hf_families import FAMILIES
from handvit.registry import MODELS

_VIT = dict(
    hidden_size=16, num_hidden_layers=3, num_attention_heads=2, image_size=56, patch_size=14
)
_SWIN = dict(
    embed_dim=8, depths=[2, 1], num_heads=[1, 2], window_size=4, image_size=32, patch_size=4
)
_CONFIGS: dict[str, dict[str, Any]] = {
    "dinov2": dict(mlp_ratio=2, **_VIT),
    "dinov2_with_registers": dict(mlp_ratio=2, num_register_tokens=3, **_VIT),
    "dinov3_vit": dict(intermediate_size=32, num_register_tokens=4, **_VIT),
    "vit": dict(intermediate_size=32, **_VIT),
    "vit_mae": dict(intermediate_size=32, **_VIT),
    "swin": _SWIN,
    "swinv2": _SWIN,
    "resnet": dict(embedding_size=8, hidden_sizes=[8, 16], depths=[1, 2], layer_type="basic"),
    "convnext": dict(hidden_sizes=[4, 8, 12, 16], depths=[1, 1, 2, 1]),
    "convnextv2": dict(hidden_sizes=[4, 8, 12, 16], depths=[1, 1, 2, 1]),
    "mobilevit": dict(
        hidden_sizes=[8, 12, 16],
        neck_hidden_sizes=[4, 4, 8, 8, 12, 16, 16],
        num_attention_heads=2,
    ),
}


@pytest.fixture(scope="session")
def tiny_config() -> Callable[..., dict[str, Any]]:
    """Return ``config(model_type, **changes)``: the transformers config of a tiny model."""

    def config(model_type: str, **changes: Any) -> dict[str, Any]:
        return dict(model_type=model_type, **{**_CONFIGS[model_type], **changes})

    return config


@pytest.fixture(scope="session")
def build(tiny_config) -> Callable[..., nn.Module]:
    """Return ``build(model_type, **options)``: the family's backbone with random weights."""

    def make(model_type: str, **options: Any) -> nn.Module:
        backbone = FAMILIES[model_type].backbone
        return MODELS.build(dict(type=backbone, config=tiny_config(model_type), **options))

    return make
