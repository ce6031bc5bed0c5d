"""A small token cache, with numbers in the place of tokens."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from handvit.datasets import HandClipDataset
from handvit.datasets.token_cache import TokenCacheInfo, frame_blocks
from handvit.datasets.token_cache.crop_columns import to_columns
from handvit.datasets.token_cache.run_views import RunPiece, cut_piece
from handvit.datasets.token_cache.token_cache_writer import PartWriter
from handvit.preprocessing import HandDataPreprocessor
from handvit.structures import HandTokens

NUM_VIEWS = 2
CROP = 28


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    """Let the 24 frames of the data set fill several blocks, and runs of 6 lie across two."""
    monkeypatch.setattr(frame_blocks, "BLOCK_FRAMES", 10)


@pytest.fixture
def preprocessor() -> HandDataPreprocessor:
    return HandDataPreprocessor(
        crop_size=CROP,
        expand=1.4,
        mean=(0.5, 0.5, 0.5),
        std=(0.2, 0.2, 0.2),
        geometric=dict(
            type="GeometricAugmentation",
            roll=0.5,
            tilt=0.2,
            focal_log_scale=0.1,
            box_shift=0.1,
            box_log_scale=0.1,
            crop_log_scale=0.1,
        ),
        pixel=dict(
            type="PixelAugmentation",
            brightness=0.2,
            blur_probability=0.5,
            noise_std=0.03,
            erase_probability=0.5,
        ),
    )


def number_of(sample_id: str) -> int:
    """Return ten times the track and the frame, which the ids of the tiny data set tell."""
    _, sequence, _, frame, side = sample_id.split("/")
    return 10 * (2 * int(sequence.removeprefix("sequence")) + (side == "left")) + int(frame)


@pytest.fixture
def make(preprocessor) -> Callable[[RunPiece], dict[str, np.ndarray]]:
    """Stand in for a ``TokenMaker``: the tokens of a frame are its number."""

    def make_columns(piece: RunPiece) -> dict[str, np.ndarray]:
        value = torch.tensor([float(number_of(name)) for name in piece.sample_id])
        tokens = value.view(1, -1, 1, 1).expand(1, -1, 5, 6)
        tokens = HandTokens(tokens[:, :, :1], tokens[:, :, 1:], (2, 2))
        return to_columns(cut_piece(preprocessor, piece), tokens, piece.sample_id, torch.float32)

    return make_columns


@pytest.fixture
def dataset(shards_root) -> HandClipDataset:
    return HandClipDataset(shards_root, clip_length=3, stride=2)


@pytest.fixture
def writer(dataset, tmp_path) -> PartWriter:
    return PartWriter(tmp_path / "cache", dataset, number=0, weight=1.0, num_views=NUM_VIEWS)


@pytest.fixture
def info(writer) -> TokenCacheInfo:
    return TokenCacheInfo(
        parts=[writer.part],
        num_views=NUM_VIEWS,
        seed=0,
        dtype="float32",
        num_prefix=1,
        grid=(2, 2),
        autocast=False,
        hand_model="openhand:0",
        spatial_weights="0123",
        crop_size=CROP,
        expand=1.4,
        mean=[0.5],
        std=[0.2],
        augmentation={},
        training_range=None,
    )


@pytest.fixture
def cache(info, writer, make, tmp_path) -> Path:
    """A whole cache."""
    root = tmp_path / "cache"
    info.begin(root)
    assert sum(writer.write(make, seed=0, piece_length=4, num_workers=0)) == 24 * NUM_VIEWS
    info.finish(root)
    return root
