from pathlib import Path

import pytest

from handvit.engine.launch import load_config
from handvit.engine.preflight import ConfigError, check_config, find_missing, find_problems

ROOT = Path(__file__).resolve().parents[3]
RECIPES = sorted(p for p in (ROOT / "configs").rglob("*.py") if "_base_" not in p.parts)
PROJECTS = sorted((ROOT / "projects").glob("*/configs/*.py"))


def test_every_recipe_has_the_right_names_and_arguments(monkeypatch):
    monkeypatch.syspath_prepend(ROOT)
    assert len(RECIPES) > 50 and PROJECTS
    for path in [*RECIPES, *PROJECTS]:
        content = load_config(str(path)).to_dict()
        content.pop("ablation", None)
        assert find_problems(content) == [], path


def test_every_recipe_lacks_the_files_that_users_bring(monkeypatch, tmp_path):
    recipe = load_config(str(ROOT / "configs" / "stage2" / "dino_large_t7.py")).to_dict()
    monkeypatch.chdir(tmp_path)
    keys = [problem.key for problem in find_missing(recipe, for_training=True)]
    assert len(keys) == 10
    assert "model.hand_model.source, val_evaluator.hand_model.source" in keys
    assert "train_dataloader.dataset.datasets.0.datasets.2.data_root" in keys
    assert keys[-1] == "load_from"


@pytest.fixture
def cfg(tiny_config, tmp_path):
    return tiny_config("stage1_tiny.py", tmp_path)


def test_a_config_that_can_work_has_no_problem(cfg):
    doubts = check_config(cfg, "my.py", for_training=True)
    assert doubts and all(doubt.startswith("my.py: ") for doubt in doubts)  # it is very short
    assert check_config(cfg, "my.py", for_training=False) == []


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("runner_type", "HandRuner"),
        ("model.type", "HandPoseEstimatr"),
        ("model.backbone.pretraned", "x"),
        ("model.head.decoder.num_head", 2),
        ("model.head.translation_head.heatmap_wieght", 2),
        ("model.losses.loss_keypoints_rel.wight", 2),
        ("model.losses.loss_keypoints_rle.weight", 2),
        ("model.data_preprocessor.geometric.rol", 2),
        ("train_dataloader.batch_szie", 2),
        ("train_dataloader.dataset.clip_lenght", 2),
        ("train_dataloader.sampler.sed", 2),
        ("test_dataloader.dataset.clip_lenght", 2),
        ("val_evaluator.hand_modl", {}),
        ("optim_wrapper.optimizer.l", 1e-3),
        ("optim_wrapper.clip_gard", {}),
        ("optim_wrapper.clip_grad.max_nrom", 1),
        ("optim_wrapper.paramwise_cfg.part_lr.bakbone", 1),
        ("param_scheduler", [dict(type="LinearLr")]),
        ("train_cfg.max_iter", 3),
        ("default_hooks.logger.intervall", 3),
        ("default_hooks.loger.interval", 3),
        ("custom_hooks", [dict(type="HandEMAHok")]),
        ("visualizer.vis_backends", [dict(type="WandbVisBackends")]),
        ("log_processor.window", 3),
        ("randomness.sede", 3),
        ("load_from", "nowhere.pth"),
    ],
)
def test_a_misspelt_key_is_found_wherever_it_is(cfg, key, value):
    cfg.merge_from_dict({key: value})
    with pytest.raises(ConfigError, match=r"^my\.py: ") as error:
        check_config(cfg, "my.py", for_training=True)
    (problem,) = error.value.problems
    assert problem.key.split(".")[0] == key.split(".")[0]


def test_all_problems_are_named_at_once(cfg):
    cfg.model.head.decoder.widht = 3
    cfg.train_dataloader.dataset.data_root = cfg.val_dataloader.dataset.data_root = "nowhere"
    with pytest.raises(ConfigError) as error:
        check_config(cfg, "my.py", for_training=True)
    assert [problem.key for problem in error.value.problems] == [
        "model.head.decoder.widht",
        "train_dataloader.dataset.data_root, val_dataloader.dataset.data_root",
    ]


def test_a_test_needs_no_training_data(cfg):
    cfg.train_dataloader.dataset.data_root = "nowhere"
    check_config(cfg, "my.py", for_training=False)
    cfg.test_dataloader.dataset.data_root = "nowhere"
    with pytest.raises(ConfigError, match=r"test_dataloader\.dataset\.data_root"):
        check_config(cfg, "my.py", for_training=False)


def test_variables_of_a_config_are_its_own(cfg):
    cfg.my_backbone = dict(type="anything", of=dict(mine=1))
    check_config(cfg, "my.py", for_training=True)
