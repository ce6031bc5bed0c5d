"""Fixtures for the model's parts: tiny configs, and crops of the open hand with exact labels."""

from collections.abc import Callable
from typing import Any

import pytest

from handvit.preprocessing import HandDataPreprocessor
from handvit.structures import HandCrops

CROP_SIZE = 64


@pytest.fixture
def model_cfg() -> dict[str, Any]:
    """Config of a whole stage-1 model that runs in milliseconds."""
    return dict(
        type="HandPoseEstimator",
        data_preprocessor=dict(
            type="HandDataPreprocessor",
            crop_size=CROP_SIZE,
            expand=1.4,
            mean=(0.5, 0.5, 0.5),
            std=(0.5, 0.5, 0.5),
        ),
        backbone=dict(
            type="HFConvNet",
            config=dict(
                model_type="resnet",
                embedding_size=8,
                hidden_sizes=[8, 16, 32],
                depths=[1, 1, 1],
                layer_type="basic",
            ),
        ),
        neck=dict(type="PerspInfoCrossAttention", num_heads=2),
        head=dict(
            type="HandDecoder",
            width=64,
            num_layers=2,
            num_heads=2,
            mlp_dim=128,
            dropout=0.1,
            pose_head=dict(type="Rotation6DPoseHead"),
            translation_head=dict(type="UvDistanceHead", grid_size=16),
        ),
        hand_model=dict(type="ManoLayer", source="openhand"),
        losses=dict(
            loss_keypoints_rel=dict(type="Keypoint3DLoss", weight=10.0),
            loss_vertices_rel=dict(type="Vertex3DLoss", weight=5.0),
            loss_global_orient=dict(type="Axis3DLoss", weight=0.2),
            loss_hand_pose=dict(type="ManoPoseLoss", weight=0.1),
            loss_betas=dict(type="ManoShapeLoss", weight=0.02),
            loss_root=dict(type="RootLoss", weight=1.0),
            loss_keypoints_img=dict(type="ReprojectionLoss", weight=0.01),
        ),
    )


@pytest.fixture
def stage2_cfg(model_cfg) -> dict[str, Any]:
    """Config of the same model with a temporal encoder and everything else frozen."""
    temporal = dict(type="TemporalEncoder", num_layers=1, num_heads=2)
    return {**model_cfg, "temporal": temporal, "frozen": ("backbone", "neck", "head")}


@pytest.fixture(scope="session")
def make_crops(make_batch) -> Callable[..., HandCrops]:
    """Return ``make(num_hands=2, num_frames=1)``: 64 px crops without augmentation."""
    preprocessor = HandDataPreprocessor(
        crop_size=CROP_SIZE, expand=1.4, mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5)
    )

    def make(num_hands: int = 2, num_frames: int = 1) -> HandCrops:
        return preprocessor(make_batch(num_hands, num_frames))["crops"]

    return make
