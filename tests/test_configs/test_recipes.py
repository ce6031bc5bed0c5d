"""Every config in the repository builds and takes a step, and a misspelt key does not."""

import ast
import re
from pathlib import Path

import pytest
import torch

from handvit.engine.hooks import PortableCheckpointHook
from handvit.engine.launch import load_config
from handvit.registry import RUNNERS, VISBACKENDS

ROOT = Path(__file__).resolve().parents[2]
RECIPES = sorted(
    path
    for folder in (ROOT / "configs", ROOT / "projects")
    for path in folder.rglob("*.py")
    if "_base_" not in path.parts and (folder.name == "configs" or "configs" in path.parts)
)


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_recipe_builds_trains_and_predicts(path, load, tmp_path):
    """Everything that a training and a test of the recipe would build; one step; one batch."""
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

    model, batch = runner.model.train(), next(iter(loop.dataloader))
    before = {name: value.clone() for name, value in model.named_parameters()}
    losses = model.train_step(batch, runner.optim_wrapper)
    assert all(value.isfinite() for value in losses.values())
    for name, value in model.named_parameters():
        assert value.requires_grad or torch.equal(value, before[name]), name
    assert any(not torch.equal(value, before[name]) for name, value in model.named_parameters())
    hands = model.eval().val_step(batch)
    assert len(hands) == 2
    assert all(hand.vertices_cam.isfinite().all() for hand in hands)
    assert all(hand.root.depth_std > 0 for hand in hands)


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
        test_recipe_builds_trains_and_predicts(path, lambda _: cfg, tmp_path)


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
