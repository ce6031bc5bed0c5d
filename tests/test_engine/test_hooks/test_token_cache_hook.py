from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from mmengine.config import Config
from torch import Tensor
from torch.utils.data import Dataset

from handvit.datasets.token_cache import CachedTokenDataset, token_collate
from handvit.datasets.token_cache.cached_frames import CachedFrames
from handvit.datasets.token_cache.run_views import Piece, RunPieces, cut_piece
from handvit.engine.checkpoints import read_checkpoint
from handvit.registry import DATASETS, FUNCTIONS, MODELS, RUNNERS
from handvit.structures import HandCrops

STAGE1, STAGE2 = "stage1_tiny.py", "stage2_tiny_t7.py"
NUM_VIEWS = 2


class ViewsOfImages(Dataset):
    """Cut the clips of all views from images, where a cache has their tokens."""

    def __init__(self, config: str) -> None:
        cfg = Config.fromfile(config)
        self.dataset = DATASETS.build(cfg.train_dataloader.dataset)
        self.frames = CachedFrames.of(self.dataset)
        self.preprocessor = MODELS.build(cfg.model.data_preprocessor)
        self.metainfo = self.dataset.metainfo

    def __len__(self) -> int:
        return NUM_VIEWS * len(self.dataset)

    def column(self, name: str) -> np.ndarray:
        return np.tile(self.dataset.column(name), NUM_VIEWS)

    def __getitem__(self, index: int) -> HandCrops:
        view, clip = divmod(index, len(self.dataset))
        last = int(self.dataset.rows[clip])
        rows, valid = self.dataset.clip_index.clip(last, self.dataset.clip_length, 1)
        places = torch.tensor([self.frames.row.tolist().index(row) for row in rows])
        start = int(self.frames.run[places[-1]])
        stop = int(np.searchsorted(self.frames.run, start, side="right"))
        pieces = RunPieces(self.dataset, self.frames, [Piece(view, start, stop)], seed=(0, 0))
        crops = map_tensors(
            lambda x: x[0][:, places - start], cut_piece(self.preprocessor, pieces[0])
        )
        labels = crops.labels._replace(
            frame_valid=torch.from_numpy(valid)[None],
            sample_id=[pieces[0].sample_id[places[-1] - start]],
        )
        return crops._replace(labels=labels)


def stack_views(clips: list[HandCrops]) -> HandCrops:
    return map_tensors(torch.cat, *clips)


def map_tensors(change, *values) -> Any:
    """Change the tensors of named tuples of named tuples; join lists."""
    if isinstance(values[0], Tensor):
        return change(values)
    if isinstance(values[0], list):
        return [entry for value in values for entry in value]
    if values[0] is None:
        return None
    return type(values[0])(*(map_tensors(change, *fields) for fields in zip(*values, strict=True)))


@pytest.fixture(scope="module")
def folder(tiny_config, tmp_path_factory, load_tool) -> Path:
    """A stage-1 checkpoint, a stage-2 config, and the cache of its frames."""
    folder = tmp_path_factory.mktemp("cache")
    RUNNERS.build(tiny_config(STAGE1, folder / "stage1")).train()
    cfg = tiny_config(STAGE2, folder / "plain")
    cfg.load_from = str(folder / "stage1" / "iter_4.pth")
    cfg.default_hooks.token_cache = dict(type="TokenCacheHook")
    cfg.dump(str(folder / "config.py"))
    command = [str(folder / "config.py"), cfg.load_from, "--out", str(folder / "cache")]
    load_tool("misc/cache_tokens.py").main(
        [*command, "--views", str(NUM_VIEWS), "--dtype", "float32", "--batch-size", "4"]
    )
    return folder


def _train(folder: Path, name: str, dataset: dict, collate: str, **changes: Any) -> dict[str, Any]:
    """Train from a data set; return the last checkpoint."""
    cfg = Config.fromfile(folder / "config.py")
    cfg.work_dir = str(folder / name)
    cfg.train_dataloader.dataset = dataset
    cfg.train_dataloader.collate_fn = dict(type=collate)
    cfg.merge_from_dict(changes)
    RUNNERS.build(cfg).train()
    return read_checkpoint(folder / name / f"iter_{cfg.train_cfg.max_iters}.pth")


def _train_from_cache(folder: Path, name: str, **changes: Any) -> dict[str, Any]:
    dataset = dict(type="CachedTokenDataset", root=str(folder / "cache"))
    return _train(folder, name, dataset, "handvit.token_collate", **changes)


def test_training_from_the_cache_is_training_from_images(folder):
    """The same views of the same clips, losses and weights; validation goes on with images."""
    DATASETS.register_module(ViewsOfImages.__name__, force=True, module=ViewsOfImages)
    FUNCTIONS.register_module(stack_views.__name__, force=True, module=stack_views)
    dataset = dict(type="ViewsOfImages", config=str(folder / "config.py"))
    plain = _train(folder, "plain", dataset, "handvit.stack_views")
    cached = _train_from_cache(folder, "cached")
    torch.testing.assert_close(cached["state_dict"], plain["state_dict"], rtol=1e-5, atol=1e-7)
    losses = [x["message_hub"]["log_scalars"]["train/loss"] for x in (plain, cached)]
    torch.testing.assert_close(*losses, rtol=1e-5, atol=1e-6)
    moved = plain["state_dict"]["temporal.to_out.weight"].abs().max()
    assert moved > 1e-5


def test_a_resumed_training_is_one_that_was_never_interrupted(folder):
    whole = _train_from_cache(folder, "whole")
    _train_from_cache(folder, "resumed", **{"train_cfg.max_iters": 2})
    checkpoint = str(folder / "resumed" / "iter_2.pth")
    resumed = _train_from_cache(folder, "resumed", resume=True, load_from=checkpoint)
    torch.testing.assert_close(resumed["state_dict"], whole["state_dict"], rtol=0, atol=0)


def test_views_of_a_frame_differ(folder):
    dataset = CachedTokenDataset(folder / "cache")
    one, other = (
        token_collate(dataset.__getitems__(range(start, start + 24))).tokens.all[:, -1]
        for start in (0, 24)
    )
    assert (one - other).abs().amax((1, 2)).min() > 1e-3


def test_other_spatial_weights_are_refused(folder):
    with pytest.raises(ValueError, match="made with spatial_weights"):
        _train_from_cache(folder, "other", load_from=None)


def test_trainings_from_images_are_left_alone(build):
    build(STAGE1, "run", {"default_hooks.token_cache": dict(type="TokenCacheHook")}).train()
