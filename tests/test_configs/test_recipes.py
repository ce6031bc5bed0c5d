"""Every config in the repository builds, and a misspelt key does not."""

import ast
import re
from pathlib import Path
from typing import Any

import pytest
from mmengine.config import ConfigDict
from transformers import Dinov2Config, Dinov2Model

from handvit.engine.hooks import PortableCheckpointHook
from handvit.engine.launch import load_config
from handvit.registry import RUNNERS, VISBACKENDS

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


@pytest.fixture(scope="module")
def clips_root(make_shards) -> str:
    """Folder of a data set whose tracks are long enough for the clips of every recipe."""
    return str(make_shards(num_frames=8))


@pytest.fixture
def load(clips_root, tiny_dinov2, monkeypatch):
    """Read a recipe; data, weights and MANO, which users bring, are replaced by small ones."""
    monkeypatch.syspath_prepend(ROOT)

    def replace(node: Any) -> None:
        if isinstance(node, ConfigDict | dict):
            if "data_root" in node:
                node["data_root"] = clips_root
                node.pop("indices", None)
            if node.get("type") == "ManoLayer":
                node["source"] = "openhand"
            if "num_workers" in node:
                node["num_workers"], node["persistent_workers"] = 0, False
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
def test_recipe_builds(path, load, tmp_path):
    """Everything that a training and a test of the recipe would build."""
    cfg = load(path)
    cfg.work_dir = str(tmp_path)
    cfg.experiment_name = f"test_{path.stem}_{tmp_path.name}"
    runner = RUNNERS.build(cfg)
    loop = runner.build_train_loop(cfg.train_cfg)
    runner._train_loop = loop
    runner.optim_wrapper = runner.build_optim_wrapper(cfg.optim_wrapper)
    runner.build_param_scheduler(cfg.param_scheduler)
    runner.build_val_loop(cfg.val_cfg)
    runner.build_test_loop(cfg.test_cfg)
    assert loop.max_iters == cfg.train_cfg.max_iters
    assert any(isinstance(hook, PortableCheckpointHook) for hook in runner.hooks)


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_recipe_is_short_and_names_no_machine(path):
    text = path.read_text()
    assert len(text.splitlines()) <= 60
    assert text.startswith("_base_ = [")
    assert len(ast.literal_eval(text.split("=", 1)[1].split("]")[0].strip() + "]")) <= 4
    for base in (path, *(ROOT / "configs" / "_base_").rglob("*.py")):
        assert not re.search(r"""["'](/|~|[A-Z]:)""", base.read_text()), base


def test_there_are_recipes():
    names = {path.stem for path in RECIPES}
    assert {"dino_large", "dino_large_t7", "stage1_tiny", "stage2_tiny_t7", "handgraph"} <= names


@pytest.mark.parametrize(
    ("key", "message"),
    [
        ("model.bakbone", "'bakbone'"),
        ("model.head.decoder.widht", "'widht'"),
        ("model.backbone.cfg", "'cfg'"),
        ("train_cfg.val_intervall", "'val_intervall'"),
        ("train_dataloader.dataset.datasets.0.clip_lenght", "'clip_lenght'"),
        ("train_dataloader.sampler.chunksize", "'chunksize'"),
        ("optim_wrapper.optimizer.learning_rate", "'learning_rate'"),
        ("optim_wrapper.paramwise_cfg.custom_keys", "custom_keys"),
        ("val_evaluator.collect", "'collect'"),
    ],
)
def test_a_misspelt_key_fails(key, message, load, tmp_path):
    path = ROOT / "configs" / "demo" / "stage1_tiny.py"
    cfg = load(path)
    cfg.merge_from_dict({key: 1})
    with pytest.raises((TypeError, ValueError), match=message):
        test_recipe_builds(path, lambda _: cfg, tmp_path)


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
