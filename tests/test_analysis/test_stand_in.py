from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config

from handvit.analysis import self_contained, stand_in_statistics
from handvit.engine.launch import load_config
from handvit.models.backbones.hf_architectures import ARCHITECTURES
from handvit.registry import MODELS
from handvit.structures import HandStatistics

CONFIGS = Path(__file__).resolve().parents[2] / "configs"


@pytest.fixture
def recipe() -> Config:
    cfg = load_config(str(CONFIGS / "stage2" / "dino_large_t7.py"))
    cfg.model.head.statistics = "data/statistics/real_mix.json"
    translation_head = cfg.model.head.translation_head
    translation_head.pop("prior_scale", None)
    translation_head.statistics = "data/statistics/real_mix.json"
    return cfg


def test_every_file_of_the_models_is_replaced(recipe):
    model = self_contained(recipe).model
    assert model.backbone == {
        "type": "HFViT",
        "config": {"model_type": "dinov2", **ARCHITECTURES["dinov2-large"]},
    }
    assert model.hand_model.source == "openhand"
    HandStatistics.load(model.head.statistics)
    HandStatistics.load(model.head.translation_head.statistics)


def test_what_is_no_file_stays(recipe):
    cfg = self_contained(recipe)
    assert cfg.model.frozen == ("backbone", "neck", "head")
    assert cfg.model.losses == recipe.model.losses
    assert cfg.train_dataloader == recipe.train_dataloader
    assert cfg.load_from is None and recipe.load_from is not None


def test_the_evaluator_gets_the_open_hand(recipe):
    evaluator = self_contained(recipe).val_evaluator
    assert evaluator.hand_model.source == evaluator.left_hand_model.source == "openhand"


def test_the_recipe_itself_is_not_changed(recipe):
    before = recipe.to_dict()
    self_contained(recipe)
    assert recipe.to_dict() == before
    assert recipe.model.backbone.pretrained == "data/weights/dinov2-large"


def test_options_of_the_backbone_are_kept(recipe):
    recipe.model.backbone.gradient_checkpointing = True
    assert self_contained(recipe).model.backbone.gradient_checkpointing is True


def test_unknown_architecture(recipe):
    recipe.model.backbone.pretrained = "data/weights/dinov9-tiny"
    with pytest.raises(ValueError, match=r"pretrained='data/weights/dinov9-tiny'.*'dinov2-base'"):
        self_contained(recipe)


def test_the_result_builds(recipe):
    with torch.device("meta"):
        model = MODELS.build(self_contained(recipe).model)
    assert model.backbone.dim == 1024


def test_statistics_are_plausible():
    statistics = stand_in_statistics()
    assert (np.linalg.eigvalsh(statistics.pose_covariance) > 0).all()
    assert (np.linalg.eigvalsh(statistics.root_covariance) > 0).all()
    low = statistics.root_mean[2] - 2 * statistics.root_covariance[2, 2] ** 0.5
    assert low > 0  # in front of the camera
    assert HandStatistics.load(statistics.to_json()).to_json() == statistics.to_json()
