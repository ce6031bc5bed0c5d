from pathlib import Path

import pytest

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


def test_one_page_says_what_is_trained(page, tmp_path):
    text = page({"optim_wrapper.accumulative_counts": 2})
    for expected in (
        "config        ",
        "configs/_base_/schedules/demo_1500.py",
        "command       ",
        "code          ",
        "machine       1 x ",
        "training      tiny train                         24 clips  100.0%",
        "validation    tiny train                         24 clips  100.0%",
        "hand model    openhand:",
        "precision     float32",
        "batch         6 clips a step: 3 x 1 processes x 2 accumulated",
        "schedule      4 iterations, 12 clips (0.5 epochs), validation every 2",
        f"checkpoints   {tmp_path}/run, every 2 iterations, the last 3 are kept, the best",
        "started from  new weights",
        "seed          0",
    ):
        assert expected in text, expected


def test_parts_of_a_mixture_come_with_their_shares(page, shards_root):
    part = dict(type="HandClipDataset", data_root=str(shards_root))
    mixture = dict(type="MixtureDataset", weights=[3, 1], datasets=[part, part])
    lines = page({"train_dataloader.dataset": {"_delete_": True, **mixture}}).splitlines()
    first = next(number for number, line in enumerate(lines) if line.startswith("training"))
    assert lines[first].endswith("24 clips   75.0%")
    assert lines[first + 1].endswith("24 clips   25.0%") and lines[first + 1].startswith(" " * 14)


def test_learning_parameters_are_counted_as_the_training_begins(page):
    lines = page({"model.frozen": ["backbone"]}).splitlines()
    (backbone,) = (line for line in lines if line.startswith("parameters    backbone"))
    assert backbone.endswith(" of which               0 learn")


def test_a_resumed_run_says_from_where(build, page, tmp_path):
    build(STAGE1, "first").train()
    path = str(tmp_path / "first" / "iter_2.pth")
    assert f"{path}, resumed at iteration 2" in page({"resume": True, "load_from": path})


def test_the_page_is_short_and_aligned(build):
    runner = build(STAGE1, "run")
    runner.train()
    page = list(summarize_run(runner))
    assert max(len(title) for title, _ in page) < 14
    assert len(page) <= 40 and Path(page[0][1]).is_file()


def test_the_page_is_not_lost_among_others(page):
    text = page()
    assert "Config:" not in text and "after_val_epoch:" not in text
