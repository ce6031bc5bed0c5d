"""Each family of recipes, shrunk, can fit four hands to millimetres in camera space."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from torch import Tensor

from handvit.registry import MODELS
from handvit.structures import HandBatch, HandPrediction

ROOT = Path(__file__).resolve().parents[2]
#: Recipe and crop size.
FAMILIES = {
    "dino_large": 112,
    "dino_large_norm_by_hand": 112,
    "dinov3_large": 112,
    "mae_large": 112,
    "swinv2_base": 128,
    "convnextv2_tiny": 128,
    "dino_large_lora": 112,
    "dino_large_fused": 112,
    "dino_large_dense": 112,
    "dino_large_soft_argmax": 112,
    "dino_large_soft_argmax_norm_by_hand": 112,
    "dino_large_xy_depth": 112,
    "dino_large_beta": 112,
    "hamer_true_focal": 112,
}
NUM_STEPS = 250
# Of the hands' images, on which there is little to see: networks without pre-training tell colours.
BACKGROUNDS = torch.tensor([[0, 0, 0], [90, 0, 0], [0, 90, 0], [0, 0, 90]], dtype=torch.uint8)
LIMIT = 0.005  # metres


def camera_error(hands: list[HandPrediction], batch: HandBatch) -> Tensor:
    """Mean distance of keypoints in camera space, metres."""
    pred = torch.stack([hand.keypoints_cam for hand in hands])
    return (pred - batch.labels.keypoints_cam[:, -1]).norm(dim=-1).mean()


@pytest.fixture
def plain(load) -> Callable[[str], Config]:
    """Read a recipe without what keeps a model from learning by heart."""

    def read(name: str) -> Config:
        cfg = load(ROOT / "configs" / "stage1" / f"{name}.py")
        cfg.model.data_preprocessor.update(geometric=None, pixel=None, crop_size=FAMILIES[name])
        if "dropout" in cfg.model.head.decoder:
            cfg.model.head.decoder.dropout = 0.0
        return cfg

    return read


@pytest.mark.parametrize("family", FAMILIES)
def test_family_fits_four_hands(plain, make_batch, family):
    model, batch = MODELS.build(plain(family).model), make_batch(4)
    background = BACKGROUNDS[:, None, :, None, None]  # (B, 1, 3, 1, 1)
    batch = batch._replace(image=batch.image.maximum(background))
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 2e-3, NUM_STEPS)
    crops = model.data_preprocessor(batch, training=True)["crops"]
    for _ in range(NUM_STEPS):
        optimizer.zero_grad()
        sum(model(crops, mode="loss").values()).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
    error = camera_error(model.eval()(crops, mode="predict"), batch)
    print(f"{family}: {1000 * error:.2f} mm")
    assert error < LIMIT
