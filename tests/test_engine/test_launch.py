import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from handvit.engine.launch import (
    drop_useless_pinning,
    explain,
    is_first_process,
    is_users_mistake,
    load_config,
    set_resume,
)

RECIPE = "configs/demo/stage1_tiny.py"


@pytest.fixture(autouse=True)
def _in_repository(monkeypatch):
    monkeypatch.chdir(Path(__file__).parents[2])


def test_work_dir_follows_the_config_unless_given():
    assert load_config(RECIPE).work_dir == "work_dirs/stage1_tiny"
    assert load_config(RECIPE, work_dir="elsewhere").work_dir == "elsewhere"


def test_options_change_nested_values():
    cfg = load_config(RECIPE, {"train_cfg.max_iters": 7, "load_from": "x.pth"})
    assert cfg.train_cfg.max_iters == 7
    assert cfg.load_from == "x.pth"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"modle.backbone": 1}, "the config has no 'modle'; did you mean 'model'"),
        ({"param_scheduler.7.end": 1}, "param_scheduler.7.end=1: the config has no such place"),
        ({"train_cfg.max_iters.x": 1}, "train_cfg.max_iters.x=1: the config has no such place"),
        ({"model.temporal": "dict(type='TemporalEncoder')"}, "dicts cannot be given here"),
    ],
)
def test_options_that_would_be_ignored_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        load_config(RECIPE, options)


def test_a_misspelt_top_level_key_is_refused(tmp_path):
    path = tmp_path / "recipe.py"
    path.write_text("optim_wraper = dict(type='OptimWrapper')\nmy_variable = 3\n")
    with pytest.raises(ValueError, match="did you mean 'optim_wrapper'"):
        load_config(str(path))


def test_a_config_may_import_the_standard_library(tmp_path):
    path = tmp_path / "recipe.py"
    path.write_text("import math\nwork_dir = f'runs/{math.floor(2.5)}'\ndel math\n")
    assert load_config(str(path)).work_dir == "runs/2"


def test_a_missing_config_is_named():
    with pytest.raises(FileNotFoundError, match=r"config nowhere\.py"):
        load_config("nowhere.py")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("_base_ = ['nowhere.py']", "nowhere.py"),
        ("model = dict(\n", "SyntaxError: '(' was never closed"),
        ("custom_imports = dict(imports=['not_there.heads'])", "No module named 'not_there'"),
    ],
)
def test_a_config_that_cannot_be_read_is_named_with_the_reason(tmp_path, text, reason):
    path = tmp_path / "recipe.py"
    path.write_text(text)
    with pytest.raises(ValueError, match=r"recipe\.py: .* cannot be read: ") as error:
        load_config(str(path))
    assert reason in str(error.value) and len(str(error.value).splitlines()) == 1
    with pytest.raises(ValueError, match="Only py"):
        load_config("README.md")


def test_a_training_continues_from_the_file_or_the_newest_one(tmp_path):
    cfg = load_config(RECIPE, work_dir=str(tmp_path))
    assert not set_resume(cfg, "auto") and not cfg.resume
    with pytest.raises(FileNotFoundError, match=r"--resume nowhere\.pth: no such file"):
        set_resume(cfg, "nowhere.pth")
    torch.save({}, tmp_path / "iter_3.pth")
    assert set_resume(cfg, "auto")
    assert cfg.resume and cfg.load_from == str(tmp_path / "iter_3.pth")


@pytest.mark.parametrize("has_gpu", [True, False])
def test_memory_is_pinned_for_gpus_only(monkeypatch, has_gpu):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: has_gpu)
    cfg = load_config("configs/stage1/dino_large.py")
    assert cfg.train_dataloader.pin_memory
    drop_useless_pinning(cfg)
    assert cfg.train_dataloader.pin_memory == has_gpu
    assert "pin_memory" not in cfg.val_dataloader


def _error_of(function, *arguments) -> Exception:
    with pytest.raises(ValueError) as caught:
        function(*arguments)
    return caught.value


def test_what_our_code_refuses_before_training_is_the_users_mistake():
    def run() -> None:  # as a training loop does
        before_train()

    def before_train() -> None:  # as a hook does
        refuse()

    def refuse() -> None:
        load_config(RECIPE, {"modle": 1})

    def train() -> None:
        run_iter()

    def run_iter() -> None:
        refuse()

    assert is_users_mistake(_error_of(refuse))
    assert is_users_mistake(_error_of(run))
    train.__code__ = train.__code__.replace(co_name="run")
    assert not is_users_mistake(_error_of(train))  # an iteration has begun
    assert not is_users_mistake(_error_of(int, "x"))  # other code


def test_the_hub_is_offline_and_the_working_directory_importable():
    code = (
        "from handvit.engine.launch import prepare_environment; prepare_environment(3);"
        "import os, sys; from huggingface_hub.constants import HF_HUB_OFFLINE;"
        "print(HF_HUB_OFFLINE, os.environ['LOCAL_RANK'], os.getcwd() in sys.path)"
    )
    environment = {k: v for k, v in os.environ.items() if k not in ("HF_HUB_OFFLINE", "LOCAL_RANK")}
    output = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    assert output.stdout.split()[-3:] == ["True", "3", "True"]


def test_problems_are_told_a_line_each():
    assert explain(ValueError("one\ntwo")) == "error: one\nerror: two"


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({}, True),
        ({"LOCAL_RANK": "0", "RANK": "8"}, True),
        ({"LOCAL_RANK": "3"}, False),
        ({"SLURM_LOCALID": "1"}, False),
    ],
)
def test_the_first_process_of_a_machine_is_known(monkeypatch, variables, expected):
    for name in ("LOCAL_RANK", "SLURM_LOCALID"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert is_first_process() == expected
