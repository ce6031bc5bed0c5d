"""The training tools on a model and data small enough for a unit test."""

from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
STAGE1 = str(ROOT / "configs" / "demo" / "stage1_tiny.py")


@pytest.fixture(scope="session")
def tiny_options(shards_root, tmp_path_factory) -> list[str]:
    """``--cfg-options`` and the values that make the stage-1 demo tiny."""
    recipe = {
        "model.data_preprocessor.crop_size": 32,
        "model.backbone.config.embedding_size": 8,
        "model.backbone.config.hidden_sizes": "[8,16]",
        "model.backbone.config.depths": "[1,1]",
        "model.head.decoder.width": 16,
        "model.head.decoder.num_heads": 4,
        "model.head.decoder.num_layers": 1,
        "model.head.decoder.mlp_dim": 16,
        "train_cfg.val_interval": 1000,
        "default_hooks.checkpoint.interval": 2,
    }
    for split in ("train", "val", "test"):
        recipe[f"{split}_dataloader.num_workers"] = 0
        recipe[f"{split}_dataloader.batch_size"] = 4
    recipe["train_dataloader.persistent_workers"] = False
    for part in ("train_dataloader.dataset.datasets.0", "train_dataloader.dataset.datasets.1"):
        recipe[f"{part}.data_root"] = str(shards_root)
    for part in ("val_dataloader.dataset", "test_dataloader.dataset"):
        recipe[f"{part}.data_root"] = str(shards_root)
    return ["--cfg-options", *(f"{key}={value}" for key, value in recipe.items())]


@pytest.fixture
def run_tool(load_tool, monkeypatch) -> Callable[..., None]:
    """Return ``run(tool, *arguments)``: its ``main`` in this process, from the repository."""

    def run(tool: str, *arguments: object) -> None:
        monkeypatch.chdir(ROOT)
        monkeypatch.setattr("sys.argv", [tool, *map(str, arguments)])
        load_tool(tool).main()

    return run
