"""Fixtures that make recipes small enough to run here."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from mmengine.config import Config
from transformers import (
    Dinov2Config,
    Dinov2Model,
    Swinv2Config,
    Swinv2Model,
    ViTMAEConfig,
    ViTMAEModel,
)

from handvit.analysis.stand_in import stand_in_statistics
from handvit.engine.launch import load_config

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def weights(tmp_path_factory) -> dict[str, str]:
    """Folders with tiny weights, by the class that loads them."""
    vit = dict(hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32)
    models = {
        "HFViT": Dinov2Model(Dinov2Config(**vit, mlp_ratio=1, image_size=56)),
        "HFViTMAE": ViTMAEModel(ViTMAEConfig(**vit, image_size=64)),
        "HFSwin": Swinv2Model(
            Swinv2Config(embed_dim=16, depths=[1, 1], num_heads=[1, 2], patch_size=16)
        ),
    }
    root = tmp_path_factory.mktemp("weights")
    for name, model in models.items():
        model.save_pretrained(root / name)
    return {name: str(root / name) for name in models}


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
        "pretrained": lambda node: node.update(pretrained=weights[node["type"]]),
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
        walk(cfg._cfg_dict)
        return cfg

    return read
