"""A small token cache of random numbers."""

from pathlib import Path

import pytest
import torch

from handvit.analysis.plain_crops import plain_crops
from handvit.datasets.token_cache import TokenCacheInfo, TokenCacheWriter
from handvit.datasets.token_cache.crop_columns import to_columns
from handvit.datasets.token_cache.token_cache_writer import BATCHES_PER_PART
from handvit.structures import HandTokens

BATCH, FRAMES, CROP = 2, 3, 28


@pytest.fixture
def info() -> TokenCacheInfo:
    return TokenCacheInfo(
        num_clips=2 * BATCHES_PER_PART * BATCH,
        clip_length=FRAMES,
        seed=0,
        batch_size=BATCH,
        dtype="float32",
        num_prefix=1,
        grid=(2, 2),
        hand_model="openhand:0",
        spatial_weights="0123",
        crop_size=CROP,
        expand=1.3,
        dataset={"name": "tiny", "split": "train", "hand_model": "openhand", "fingertips": None},
        training_range=None,
    )


@pytest.fixture
def cache(tmp_path, info) -> Path:
    """A folder whose clip n has tokens that are all n."""
    root = tmp_path / "cache"
    writer = TokenCacheWriter(root, num_parts=2)
    crops = plain_crops(BATCH, num_frames=FRAMES, crop_size=CROP)
    for number in range(2 * BATCHES_PER_PART):
        value = torch.arange(BATCH * number, BATCH * (number + 1)).float()
        tokens = value.view(BATCH, 1, 1, 1).expand(BATCH, FRAMES, 5, 6)
        writer.add(
            to_columns(crops, HandTokens(tokens[:, :, :1], tokens[:, :, 1:], (2, 2)), torch.float32)
        )
    info.begin(root)
    info.finish(root)
    return root
