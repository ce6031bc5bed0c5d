"""Fixtures that make recipes small enough to run here."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from mmengine.config import Config
from transformers import AutoConfig, AutoModel

from handvit.analysis.stand_in import stand_in_statistics
from handvit.engine.launch import load_config
from handvit.models.backbones.hf_architectures import ARCHITECTURES

ROOT = Path(__file__).resolve().parents[2]


_WALKED = (
    "model",
    *(f"{loop}_dataloader" for loop in ("train", "val", "test")),
    *(f"{loop}_evaluator" for loop in ("val", "test")),
)
_VIT = dict(hidden_size=32, num_hidden_layers=4, num_attention_heads=2, intermediate_size=32)
#: Tiny models, 32 or 64 channels wide, by the family of the pretrained one.
_TINY = {
    "dinov2": dict(_VIT, mlp_ratio=1, image_size=56),
    "dinov3_vit": dict(_VIT, num_register_tokens=4),
    "vit_mae": dict(_VIT, image_size=64),
    "swinv2": dict(
        embed_dim=16, depths=[1, 1], num_heads=[1, 2], patch_size=16, image_size=128, window_size=4
    ),
    "convnextv2": dict(hidden_sizes=[8, 16, 32, 64], depths=[1, 1, 1, 1]),
    "mobilevit": dict(
        hidden_sizes=[16, 16, 16],
        neck_hidden_sizes=[8, 8, 8, 8, 16, 16, 64],
        num_attention_heads=2,
    ),
}


@pytest.fixture(scope="session")
def weights(tmp_path_factory) -> dict[str, str]:
    """Folders with tiny weights, by family."""
    root = tmp_path_factory.mktemp("weights")
    for family, sizes in _TINY.items():
        config = AutoConfig.for_model(family, **sizes)
        AutoModel.from_config(config).save_pretrained(root / family)
    return {family: str(root / family) for family in _TINY}


@pytest.fixture(scope="session")
def clips_root(make_shards) -> str:
    """Folder of a data set whose tracks are long enough for the clips of every recipe."""
    return str(make_shards(num_frames=16))


@pytest.fixture(scope="session")
def replacements(clips_root, weights, tmp_path_factory) -> dict[str, Callable[[dict], None]]:
    """What makes a node of a config small, by the key that the node has."""
    statistics = tmp_path_factory.mktemp("statistics") / "statistics.json"
    statistics.write_text(json.dumps(stand_in_statistics().to_json()))
    data = dict(data_root=clips_root, indices=None)
    loader = dict(batch_size=2, num_workers=0, persistent_workers=False)
    decoder = dict(width=32, num_layers=1, num_heads=2, mlp_dim=32)
    return {
        "data_root": lambda node: node.update(data),
        "batch_size": lambda node: node.update(loader),
        "source": lambda node: node.update(source="openhand"),
        "pretrained": lambda node: node.update(pretrained=weights[family_of(node)]),
        "fusion": lambda node: node["fusion"].update(layers=(1, 4)),
        "min_bbox_size": lambda node: node.update(min_bbox_size=1.0),
        "statistics": lambda node: node.update(statistics=str(statistics)),
        "decoder": lambda node: node["decoder"].update(decoder),
    }


@pytest.fixture
def load(replacements, monkeypatch) -> Callable[[Path], Config]:
    """Read a recipe; what users bring is replaced by something small, and decoders shrink."""
    monkeypatch.syspath_prepend(ROOT)
    # The runner formats the whole config several times, which takes longer than all the rest.
    monkeypatch.setattr(Config, "pretty_text", property(lambda cfg: repr(cfg._cfg_dict)))

    def walk(node: Any) -> None:
        for key in replacements.keys() & (node.keys() if isinstance(node, dict) else ()):
            replacements[key](node)
        for child in node.values() if isinstance(node, dict) else node:
            if isinstance(child, dict | list):
                walk(child)

    def read(path: Path) -> Config:
        cfg = load_config(str(path))
        # Not the whole config: an ablation's declaration names parts too.
        for key in _WALKED:
            walk(cfg[key])
        return cfg

    return read


def family_of(backbone: dict[str, Any]) -> str:
    """Return transformers' name of the architecture that a recipe's folder is named for."""
    return ARCHITECTURES[Path(backbone["pretrained"]).name]["model_type"]
