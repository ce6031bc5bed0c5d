"""Recipes that are measured, and run for real, in moments."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from mmengine.config import Config

from handvit.analysis import self_contained
from handvit.engine.launch import load_config

DEMO = Path(__file__).resolve().parents[2] / "configs" / "demo"

_VIT = dict(
    model_type="dinov2",
    hidden_size=96,
    num_hidden_layers=4,
    num_attention_heads=3,
    patch_size=14,
    image_size=56,
)
_OPTIONS = {
    "model.data_preprocessor.crop_size": 56,
    "model.neck.num_heads": 2,
    "model.head.decoder.width": 64,
    "model.head.decoder.num_layers": 1,
    "model.head.decoder.num_heads": 4,
    "model.head.decoder.mlp_dim": 128,
}


@pytest.fixture
def vit_recipe() -> Callable[..., Config]:
    """Return ``make(demo='stage1_tiny', **backbone)``: a demo whose backbone is a small ViT."""

    def make(demo: str = "stage1_tiny", **backbone: Any) -> Config:
        cfg = load_config(str(DEMO / f"{demo}.py"), _OPTIONS)
        cfg.model.backbone = dict(type="HFViT", config=_VIT, **backbone)
        return self_contained(cfg)

    return make
