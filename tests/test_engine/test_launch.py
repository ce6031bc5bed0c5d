import os
import subprocess
import sys
from pathlib import Path

import pytest

from handvit.engine.launch import explain, is_first_process, load_config

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
        ({"modle.backbone": 1}, "the config has no 'modle'"),
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
    [({}, True), ({"RANK": "0"}, True), ({"RANK": "3"}, False), ({"SLURM_PROCID": "1"}, False)],
)
def test_the_first_process_is_known_before_there_is_a_group(monkeypatch, variables, expected):
    for name in ("RANK", "SLURM_PROCID"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert is_first_process() == expected
