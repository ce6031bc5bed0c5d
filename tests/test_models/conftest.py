"""Fixtures for the model's parts: tiny configs, and crops of the open hand with exact labels."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from handvit.preprocessing import HandDataPreprocessor
from handvit.structures import HandCrops, HandStatistics

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
            type="HandHead",
            decoder=dict(
                type="HandDecoder", width=64, num_layers=2, num_heads=2, mlp_dim=128, dropout=0.1
            ),
            pose_head=dict(type="Rotation6DPoseHead"),
            translation_head=dict(
                type="UvDistanceHead",
                prior_scale=0.121,
                cells_per_side=16,
                heatmap_loss=dict(type="HeatmapCELoss", weight=0.1, std=0.03),
                bin_loss=dict(type="MultiBinLoss", bin_weight=0.1, residual_weight=1.0),
            ),
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


@pytest.fixture(scope="session")
def statistics() -> HandStatistics:
    """Statistics of imagined hands: half a metre away, slightly bent, a little large."""
    rng = np.random.default_rng(0)
    pose_mean = rng.normal(0, 0.3, (16, 3))
    return HandStatistics(
        hand_model="openhand",
        num_hands=1000,
        pose_mean=pose_mean,
        pose_covariance=0.04 * np.eye(48),
        pose_low=pose_mean[1:] - 0.9,
        pose_high=pose_mean[1:] + 0.8,
        betas_mean=rng.normal(0, 0.3, 10),
        betas_covariance=np.eye(10),
        root_mean=np.array([0.01, 0.05, 0.55]),
        root_covariance=np.diag([0.03, 0.03, 0.05]) ** 2,
        root_by_hand_mean=np.array([0.1, 0.6, 7.0]),
        root_by_hand_covariance=np.diag([0.4, 0.4, 0.8]) ** 2,
        prior_scale=0.121,
        prior_scale_by_hand=1.6,
    )
