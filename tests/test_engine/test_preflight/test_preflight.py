from pathlib import Path

import pytest

from handvit.engine.launch import load_config
from handvit.engine.preflight import ConfigError, check_config, find_problems

ROOT = Path(__file__).resolve().parents[3]
RECIPES = sorted(p for p in (ROOT / "configs").rglob("*.py") if "_base_" not in p.parts)
ABSENT = ("no such", "no Hugging Face", "holds no dataset.json")


def test_every_recipe_is_right_but_for_the_files_that_users_bring():
    for path in RECIPES:
        for problem in find_problems(load_config(str(path)), for_training=True):
            assert problem.wrong.startswith(ABSENT), f"{path}: {problem}"


@pytest.fixture
def cfg(tiny_config, tmp_path):
    return tiny_config("stage1_tiny.py", tmp_path)


def test_a_config_that_can_work_has_no_problem(cfg):
    check_config(cfg, "my.py", for_training=True)
    check_config(cfg, "my.py", for_training=False)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("model.type", "HandPoseEstimatr"),
        ("model.backbone.pretraned", "x"),
        ("model.head.decoder.num_head", 2),
        ("model.head.translation_head.heatmap_wieght", 2),
        ("model.losses.loss_keypoints_rel.wight", 2),
        ("model.data_preprocessor.geometric.rol", 2),
        ("train_dataloader.batch_szie", 2),
        ("train_dataloader.dataset.clip_lenght", 2),
        ("train_dataloader.sampler.sed", 2),
        ("val_evaluator.hand_modl", {}),
        ("optim_wrapper.optimizer.l", 1e-3),
        ("optim_wrapper.clip_gard", {}),
        ("train_cfg.max_iter", 3),
        ("default_hooks.logger.intervall", 3),
        ("custom_hooks", [dict(type="HandEMAHok")]),
        ("load_from", "nowhere.pth"),
    ],
)
def test_a_misspelt_key_is_found_wherever_it_is(cfg, key, value):
    cfg.merge_from_dict({key: value})
    with pytest.raises(ConfigError, match=r"my\.py: ") as error:
        check_config(cfg, "my.py", for_training=True)
    assert any(problem.key.startswith(key.split(".")[0]) for problem in error.value.problems)


def test_a_test_needs_no_training_data(cfg):
    cfg.train_dataloader.dataset.data_root = "nowhere"
    check_config(cfg, "my.py", for_training=False)
    cfg.test_dataloader.dataset.data_root = "nowhere"
    with pytest.raises(ConfigError, match=r"test_dataloader\.dataset\.data_root"):
        check_config(cfg, "my.py", for_training=False)
