import subprocess

import pytest

from handvit.engine.hooks import run_summary_hook
from handvit.engine.hooks.run_summary_hook import summarize_run

STAGE1 = "stage1_tiny.py"


@pytest.fixture
def page(build, tmp_path):
    """Return ``page(options)``: the log of a training as text."""

    def run(options: dict | None = None) -> str:
        build(STAGE1, "run", {"log_level": "INFO", **(options or {})}).train()
        (log,) = (tmp_path / "run").glob("*/*.log")
        return log.read_text()

    return run


def test_one_page_says_what_is_trained(page):
    text = page({"optim_wrapper.accumulative_counts": 2})
    for expected in (
        "training      tiny: 24 clips, 100%",
        "validation    tiny: 24 clips, 100%",
        "hand model    openhand:",
        "batch         6 clips a step: 3 x 1 processes x 2 accumulated",
        "schedule      4 iterations, 12 clips (0.5 epochs), validation every 2",
        "precision     OptimWrapper",
        "started from  new weights",
    ):
        assert expected in text, expected


def test_learning_parameters_are_counted_as_the_training_begins(page):
    lines = page({"model.frozen": ["backbone"]}).splitlines()
    (backbone,) = (line for line in lines if "parameters" in line and "backbone" in line)
    assert "0.000 M learn" in backbone


def test_a_resumed_run_says_from_where(build, page, tmp_path):
    build(STAGE1, "first").train()
    path = str(tmp_path / "first" / "iter_2.pth")
    assert f"{path}, resumed at iteration 2" in page({"resume": True, "load_from": path})


def test_titles_are_aligned(build):
    runner = build(STAGE1, "run")
    runner.train()
    titles = [title for title, _ in summarize_run(runner)]
    assert max(map(len, titles)) < 14


def test_code_outside_a_checkout_is_said_to_be(monkeypatch):
    def fail(*arguments, **options):
        raise subprocess.CalledProcessError(128, "git")

    monkeypatch.setattr(subprocess, "run", fail)
    assert run_summary_hook._git_state() == "no git checkout"
