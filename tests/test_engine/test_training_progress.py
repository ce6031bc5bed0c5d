import json
from pathlib import Path

import pytest
from mmengine.config import Config

from handvit.engine.ablation import Variant
from handvit.engine.training_progress import Training, TrainingProgress

TOOLS = Path("somewhere/tools")


@pytest.fixture
def training(tmp_path) -> Training:
    cfg = Config({"train_cfg": {"max_iters": 400}, "randomness": {"seed": 3}})
    return Training(Variant("dense", {}), cfg, tmp_path / "dense-seed3")


def log(training: Training, text: str) -> None:
    path = training.folder / "20260101_000000" / "vis_data" / "scalars.json"
    path.parent.mkdir(parents=True)
    path.write_text(text)


def finish(training: Training, error: float) -> None:
    training.folder.mkdir(parents=True, exist_ok=True)
    content = {"metrics": {"mpjpe_cam": error}}
    (training.folder / "metrics.json").write_text(json.dumps(content))


def tools_of(training: Training) -> list[str]:
    return [Path(command[1]).name for command in training.job(TOOLS).commands]


def test_job_writes_the_config_then_trains_and_tests(training):
    job = training.job(TOOLS)
    assert job.name == "dense (seed 3)" and job.log == training.folder / "output.log"
    train, test = job.commands
    assert train[1] == str(TOOLS / "train.py") and train[-1] == "--resume"
    assert test[1] == str(TOOLS / "test.py")
    assert test[3] == str(training.folder / "iter_400.pth")
    assert test[-2:] == ["--dump", str(training.predictions)]
    assert Config.fromfile(train[2]).train_cfg.max_iters == 400


def test_what_is_trained_is_only_tested(training):
    training.folder.mkdir()
    (training.folder / "iter_300.pth").touch()
    assert tools_of(training) == ["train.py", "test.py"]
    (training.folder / "iter_400.pth").touch()
    assert tools_of(training) == ["test.py"]


def test_iterations_are_read_from_the_log_but_for_a_cut_line(training):
    assert training.num_done() == 0
    log(training, '{"loss": 1.0, "step": 50}\n{"loss": 0.9, "step": 100}\n{"loss": 0.8, "st')
    assert training.num_done() == 100 and not training.is_finished
    finish(training, 60.0)
    assert training.num_done() == 400 and training.is_finished


def test_bar_counts_failed_trainings_as_done(training, capsys):
    progress = TrainingProgress([training])
    assert (progress.bar.n, progress.bar.total) == (0, 400)
    log(training, '{"step": 100}\n')
    progress.update()
    assert progress.bar.n == 100
    job = training.job(TOOLS)
    job.log.write_text("first line\nValueError: the last line\n")
    progress.report(job, 1)
    progress.update()
    assert progress.failed == [job] and progress.bar.n == 400
    assert "dense (seed 3): FAILED: ValueError: the last line" in "".join(capsys.readouterr())


def test_a_finished_training_tells_its_error(training, capsys):
    finish(training, 61.25)
    progress = TrainingProgress([training])
    assert progress.bar.n == 400
    progress.report(training.job(TOOLS), 0)
    assert progress.failed == []
    assert "dense (seed 3): mpjpe_cam 61.2 mm" in "".join(capsys.readouterr())
