"""A training run small enough for a unit test."""

import importlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed
from mmengine.config import Config
from mmengine.runner import Runner

from handvit.engine.launch import load_config
from handvit.registry import RUNNERS

CONFIGS = Path(__file__).resolve().parents[2] / "configs"
TINY_MODEL = {
    "model.data_preprocessor.crop_size": 32,
    "model.backbone.config.embedding_size": 8,
    "model.backbone.config.hidden_sizes": [8, 16],
    "model.backbone.config.depths": [1, 1],
    "model.head.decoder.width": 16,
    "model.head.decoder.mlp_dim": 16,
    "model.head.decoder.dropout": 0.2,
}


@pytest.fixture(scope="session")
def tiny_config(shards_root) -> Callable[..., Config]:
    """Return ``make(recipe, work_dir, options)``: a demo recipe made tiny, on random data."""

    def make(recipe: str, work_dir: Path, options: dict[str, Any] | None = None) -> Config:
        cfg = load_config(str(CONFIGS / "demo" / recipe), TINY_MODEL, str(work_dir))
        clip_length = 7 if recipe.endswith("t7.py") else 1
        dataset = dict(type="HandClipDataset", data_root=str(shards_root), clip_length=clip_length)
        for loader in (cfg.train_dataloader, cfg.val_dataloader, cfg.test_dataloader):
            loader.dataset = dataset
            loader.batch_size, loader.num_workers = 3, 0
            loader.persistent_workers = False
        cfg.load_from = None
        # Else runs that begin within the same second share MMEngine's global state.
        cfg.experiment_name = f"{work_dir.parent.name}_{work_dir.name}"
        cfg.log_level = "WARNING"
        cfg.train_cfg.update(max_iters=4, val_interval=2)
        cfg.default_hooks.checkpoint.interval = 2
        cfg.merge_from_dict(options or {})
        return cfg

    return make


@pytest.fixture
def one_process() -> Iterator[None]:
    """Open a process group with this process only."""
    torch.distributed.init_process_group(
        "gloo", store=torch.distributed.HashStore(), rank=0, world_size=1
    )
    yield
    torch.distributed.destroy_process_group()


@pytest.fixture
def build(tiny_config, tmp_path) -> Callable[..., Runner]:
    """Return ``make(recipe, name, options)``: a Runner with the work dir ``tmp_path / name``."""

    def make(recipe: str, name: str, options: dict[str, Any] | None = None) -> Runner:
        return RUNNERS.build(tiny_config(recipe, tmp_path / name, options))

    return make


@pytest.fixture(scope="session")
def third_sample(tiny_config, tmp_path_factory) -> str:
    """Id of a sample that training sees in its third iteration, and not before."""
    runner = RUNNERS.build(tiny_config("stage1_tiny.py", tmp_path_factory.mktemp("order")))
    batches = iter(runner.build_dataloader(runner._train_dataloader, seed=runner.seed))
    first, second, third = (set(next(batches).labels.sample_id) for _ in range(3))
    return min(third - first - second)


@pytest.fixture
def poison(third_sample, monkeypatch) -> Callable[[str], dict[str, Any]]:
    """Return ``poison(kind)``: options that make the third iteration of a training go wrong."""
    monkeypatch.syspath_prepend(Path(__file__).parent)
    importlib.import_module("poisoned_losses")

    def make(kind: str) -> dict[str, Any]:
        return {
            "custom_imports": dict(imports=["poisoned_losses"]),
            "model.losses.loss_poison": dict(type=kind, sample_id=third_sample),
        }

    return make
