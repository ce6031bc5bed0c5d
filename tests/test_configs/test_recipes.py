"""Every config in the repository builds and takes a step, and a misspelt key does not."""

import ast
import re
from pathlib import Path

import pytest
import torch
from torch import nn

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


STAGE2 = sorted((ROOT / "configs" / "stage2").glob("*.py"))
BACKBONES = (
    *(f"dino_{size}" for size in ("small", "base", "large", "giant")),
    *(f"dinov3_{size}" for size in ("small", "base", "large", "hplus")),
    *(f"mae_{size}" for size in ("base", "large", "huge")),
    *(f"swinv2_{size}" for size in ("tiny", "base", "large")),
)


def watch_gradients(model: nn.Module) -> set[str]:
    """Return a set that fills with the names of the parameters that get a gradient."""
    reached = set()
    for name, value in model.named_parameters():
        if value.requires_grad:
            value.register_post_accumulate_grad_hook(lambda _, name=name: reached.add(name))
    return reached


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
    reached = watch_gradients(model)
    losses = model.train_step(batch, runner.optim_wrapper)
    assert all(value.isfinite() for value in losses.values())
    # Every trainable parameter has a gradient, as DDP needs, and nothing else moves.
    assert reached == {name for name, value in model.named_parameters() if value.requires_grad}
    moved = {n for n, value in model.named_parameters() if not torch.equal(value, before[n])}
    assert moved and moved <= reached
    hands = model.eval().val_step(batch)
    assert len(hands) == 2
    assert all(hand.vertices_cam.isfinite().all() for hand in hands)
    assert all(hand.root.depth_std > 0 for hand in hands)


@pytest.mark.parametrize("path", STAGE2, ids=lambda path: path.stem)
def test_stage_2_has_the_model_of_its_stage_1(path):
    """And starts from its last checkpoint."""
    cfg = load_config(str(path))
    name = re.sub(r"_t\d+$", "", path.stem)
    stage1 = load_config(str(ROOT / "configs" / "stage1" / f"{name}.py"))
    last = stage1.train_cfg.max_iters
    assert cfg.load_from == f"work_dirs/{name}/iter_{last}.pth"
    model, alone = cfg.model.to_dict(), stage1.model.to_dict()
    temporal, frozen = model.pop("temporal"), model.pop("frozen")
    assert frozen == ("backbone", "neck", "head")
    # Nothing of a frozen backbone is kept for a backward pass.
    alone["backbone"].pop("gradient_checkpointing", None)
    assert model == alone
    clip_length = int(path.stem.rpartition("_t")[2])
    assert temporal.get("max_frames", 7) == clip_length
    assert cfg.val_dataloader.dataset.clip_length == clip_length


def test_every_public_backbone_of_the_zoo_has_its_recipes():
    """With metres and with hand sizes, alone and in time."""
    names = {path.stem for path in RECIPES}
    for backbone in BACKBONES:
        for unit in ("", "_norm_by_hand"):
            assert {f"{backbone}{unit}", f"{backbone}{unit}_t7"} <= names


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
    folder = tmp_path / "run" / "20260101_000000" / "vis_data"
    folder.mkdir(parents=True)
    writer = VISBACKENDS.build({**backend, "save_dir": str(folder)})
    writer.add_config(cfg)
    writer.add_scalar("loss", 1.0, step=3)
    writer.close()
    assert local.type == "LocalVisBackend"
    assert not writer._is_off
    assert sum(path.stat().st_size for path in tmp_path.rglob("*") if path.is_file()) > 0
