"""Every config in the repository builds, and a misspelt key does not."""

from pathlib import Path
from typing import Any

import pytest
from mmengine.config import ConfigDict
from transformers import Dinov2Config, Dinov2Model

from handvit.engine.launch import load_config
from handvit.registry import DATASETS, HOOKS, LOOPS, METRICS, MODELS, OPTIM_WRAPPERS, VISBACKENDS

ROOT = Path(__file__).resolve().parents[1]
RECIPES = sorted(
    path
    for folder in (ROOT / "configs", ROOT / "projects")
    for path in folder.rglob("*.py")
    if "_base_" not in path.parts and (folder.name == "configs" or "configs" in path.parts)
)


@pytest.fixture(scope="module")
def tiny_dinov2(tmp_path_factory) -> str:
    folder = tmp_path_factory.mktemp("weights")
    sizes = dict(hidden_size=32, num_hidden_layers=1, num_attention_heads=2, image_size=56)
    Dinov2Model(Dinov2Config(**sizes)).save_pretrained(folder)
    return str(folder)


@pytest.fixture
def load(shards_root, tiny_dinov2, monkeypatch):
    """Read a recipe; data, weights and MANO, which users bring, are replaced by small ones."""
    monkeypatch.syspath_prepend(ROOT)

    def replace(node: Any) -> None:
        if isinstance(node, ConfigDict | dict):
            if "data_root" in node:
                node["data_root"] = str(shards_root)
                node.pop("indices", None)
            if node.get("type") == "ManoLayer":
                node["source"] = "openhand"
            if "pretrained" in node:
                node["pretrained"] = tiny_dinov2
        for child in node.values() if isinstance(node, dict) else node:
            if isinstance(child, dict | list):
                replace(child)

    def read(path: Path):
        cfg = load_config(str(path))
        replace(cfg._cfg_dict)
        return cfg

    return read


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_recipe_builds(path, load):
    cfg = load(path)
    MODELS.build(cfg.model)
    for split in ("train", "val", "test"):
        DATASETS.build(cfg[f"{split}_dataloader"].dataset)
        assert LOOPS.get(cfg[f"{split}_cfg"].type)
    for evaluator in (cfg.val_evaluator, cfg.test_evaluator):
        METRICS.build(evaluator)
    for hook in cfg.custom_hooks:
        HOOKS.build(hook)
    assert OPTIM_WRAPPERS.get(cfg.optim_wrapper.type)


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_recipe_is_short_and_names_no_machine(path):
    text = path.read_text()
    assert len(text.splitlines()) <= 60
    assert text.startswith("_base_ = [")
    assert text.split("]")[0].count(".py'") <= 4
    assert "'/" not in text


def test_there_are_recipes():
    names = {path.stem for path in RECIPES}
    assert {"dino_large", "dino_large_t7", "stage1_tiny", "stage2_tiny_t7", "handgraph"} <= names


@pytest.mark.parametrize("key", ["model.bakbone", "model.head.widht", "model.backbone.cfg"])
def test_a_misspelt_model_key_fails(key, load):
    cfg = load(ROOT / "configs" / "demo" / "stage1_tiny.py")
    cfg.merge_from_dict({key: 1})
    with pytest.raises(TypeError, match=f"unexpected keyword argument '{key.split('.')[-1]}'"):
        MODELS.build(cfg.model)


@pytest.mark.parametrize("name", ["wandb", "tensorboard", "aim"])
def test_visualizer_writes_scalars(name, tmp_path, monkeypatch):
    pytest.importorskip(name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WANDB_MODE", "offline")
    cfg = load_config(str(ROOT / "configs" / "_base_" / "visualizers" / f"{name}.py"))
    local, backend = cfg.visualizer.vis_backends
    (tmp_path / "run").mkdir()
    writer = VISBACKENDS.build({**backend, "save_dir": str(tmp_path / "run")})
    writer.add_config(cfg)
    writer.add_scalar("loss", 1.0, step=3)
    writer.close()
    assert local.type == "LocalVisBackend"
    assert sum(path.stat().st_size for path in tmp_path.rglob("*") if path.is_file()) > 0
