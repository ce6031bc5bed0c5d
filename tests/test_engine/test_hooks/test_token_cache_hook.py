from pathlib import Path

import pytest
import torch
from mmengine.config import Config

from handvit.datasets.token_cache import CachedTokenDataset
from handvit.engine.checkpoints import read_checkpoint
from handvit.registry import RUNNERS

STAGE1, STAGE2 = "stage1_tiny.py", "stage2_tiny_t7.py"


@pytest.fixture(scope="module")
def folder(tiny_config, tmp_path_factory, load_tool) -> Path:
    """A stage-1 checkpoint, a stage-2 config, and the cache of its first clips."""
    folder = tmp_path_factory.mktemp("cache")
    RUNNERS.build(tiny_config(STAGE1, folder / "stage1")).train()
    cfg = tiny_config(STAGE2, folder / "plain")
    cfg.load_from = str(folder / "stage1" / "iter_4.pth")
    cfg.dump(str(folder / "config.py"))
    command = [str(folder / "config.py"), cfg.load_from, "--out", str(folder / "cache")]
    load_tool("misc/cache_tokens.py").main([*command, "--num-clips", "20", "--float32"])
    return folder


def _cached(folder: Path, name: str) -> Config:
    cfg = Config.fromfile(folder / "config.py")
    cfg.work_dir = str(folder / name)
    cfg.default_hooks.token_cache = dict(type="TokenCacheHook")
    loader = cfg.train_dataloader
    loader.dataset = dict(type="CachedTokenDataset", root=str(folder / "cache"))
    loader.collate_fn = dict(type="handvit.token_collate")
    loader.sampler = dict(type="InfiniteMixtureSampler", order=dict(type="StoredOrder"))
    return cfg


def test_training_from_the_cache_is_training_without(folder):
    """The same clips, augmentations, losses and weights; validation goes on with images."""
    RUNNERS.build(Config.fromfile(folder / "config.py")).train()
    RUNNERS.build(_cached(folder, "cached")).train()
    plain, cached = (read_checkpoint(folder / name / "iter_4.pth") for name in ("plain", "cached"))
    torch.testing.assert_close(cached["state_dict"], plain["state_dict"], rtol=1e-5, atol=1e-7)
    losses = [x["message_hub"]["log_scalars"]["train/loss"] for x in (plain, cached)]
    torch.testing.assert_close(*losses, rtol=1e-5, atol=1e-6)
    moved = plain["state_dict"]["temporal.to_out.weight"].abs().max()
    assert moved > 1e-5


def test_views_of_a_frame_differ(folder):
    """24 clips of 24 frames in two epochs would repeat; each draw is augmented anew."""
    dataset = CachedTokenDataset(folder / "cache")
    assert len(dataset) == 24  # eight batches of three
    tokens = torch.from_numpy(dataset.__getitems__(range(24)).rows["tokens"])
    distances = torch.cdist(tokens.flatten(1), tokens.flatten(1))
    assert distances[~torch.eye(24, dtype=torch.bool)].min() > 0


def test_other_spatial_weights_are_refused(folder):
    cfg = _cached(folder, "other")
    cfg.load_from = None
    with pytest.raises(ValueError, match="made with spatial_weights"):
        RUNNERS.build(cfg).train()


def test_trainings_from_images_are_left_alone(build):
    build(STAGE1, "run", {"default_hooks.token_cache": dict(type="TokenCacheHook")}).train()
