import os

import pytest

from handvit.engine.preflight.run_checks import check_run

PARTS = {key: dict(x=1) for key in ("model", "train_dataloader", "train_cfg", "optim_wrapper")}


def problems(content, *, for_training=True):
    return [str(problem) for problem in check_run(content, for_training=for_training)]


@pytest.fixture
def config(tmp_path):
    return {**PARTS, "work_dir": str(tmp_path / "new" / "run"), "load_from": None}


def test_a_run_that_can_begin_has_no_problem(config, tmp_path):
    assert problems(config) == []
    assert problems({**config, "load_from": str(tmp_path), "resume": True}) == []
    assert not (tmp_path / "new").exists()


def test_parts_that_are_missing_are_named(config):
    (line,) = problems({**config, "optim_wrapper": None})
    assert line.startswith("optim_wrapper: a training needs it")
    lines = problems(config, for_training=False)
    assert [line.split(":")[0] for line in lines] == [
        "test_dataloader",
        "test_cfg",
        "test_evaluator",
    ]


def test_a_start_must_exist_and_a_resumed_run_must_have_one(config):
    (line,) = problems({**config, "load_from": "nowhere.pth"})
    assert line.startswith("load_from='nowhere.pth': no such checkpoint")
    (line,) = problems({**config, "resume": True})
    assert line.startswith("resume=True: does not say from where; use --resume")


def test_the_work_dir_must_be_one_that_can_be_made(config, tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    (line,) = problems({**config, "work_dir": str(tmp_path / "file" / "run")})
    assert "file is no folder that can be written to; choose another one with --work-dir" in line
    monkeypatch.setattr(os, "access", lambda path, mode: not mode & os.W_OK)
    (line,) = problems(config)
    assert f"{tmp_path} is no folder" in line
