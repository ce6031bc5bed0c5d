import json
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import ModuleType

import pytest
from mmengine.config import Config

from handvit.analysis.stand_in import self_contained
from handvit.datasets import ShardReader
from handvit.engine.ablation import Ablation
from handvit.engine.job_pool import FinishedJob, Job
from handvit.engine.launch import load_config
from handvit.evaluation import ConstantPredictor, summarize
from handvit.evaluation.data_labels import read_ground_truth
from handvit.registry import MODELS

ROOT = Path(__file__).resolve().parents[2]
CONFIG = str(ROOT / "configs" / "ablation" / "synthetic.py")
PAGE = "before\n<!-- ablation -->\n<!-- /ablation -->\nafter\n"
SETTINGS = load_config(CONFIG).ablation
DECLARED = Ablation.parse(SETTINGS.axes, SETTINGS.default, SETTINGS.variants)
RUNS = ["default-seed0", "default-seed1", "no_embedding-seed0"]


@pytest.fixture(scope="module")
def data_root(tmp_path_factory) -> Path:
    """Where the tool renders its hands once for all tests."""
    return tmp_path_factory.mktemp("ablation")


@pytest.fixture
def here(load_tool, monkeypatch) -> Callable[..., Iterator[FinishedJob]]:
    """Stand in for ``run_jobs``: the tools run in this process, and the log names them."""

    def run(jobs: Sequence[Job], **settings: object) -> Iterator[FinishedJob]:
        assert settings["environment"]["OMP_NUM_THREADS"].isdigit()
        for job in jobs:
            yield FinishedJob(job, run_commands(job))
            settings["on_poll"]()

    def run_commands(job: Job) -> int:
        job.log.write_text("".join(f"{Path(command[1]).name}\n" for command in job.commands))
        for python, *command in job.commands:
            assert python == sys.executable
            monkeypatch.setattr("sys.argv", command)
            try:
                load_tool(str(Path(command[0]).relative_to(ROOT / "tools"))).main()
            except (TypeError, ValueError) as error:
                job.log.write_text(f"Traceback:\n{error}\n")
                return 1
        return 0

    return run


@pytest.fixture
def tool(load_tool, here, monkeypatch) -> ModuleType:
    module = load_tool("benchmark/ablation.py")
    monkeypatch.setattr(module, "run_jobs", here)
    return module


@pytest.fixture
def run(tool, data_root, tmp_path) -> Callable[..., None]:
    """Return ``run(*arguments)``: the tool on tiny data with tiny models, two iterations."""
    sizes = {"width": 16, "num_layers": 1, "num_heads": 2, "mlp_dim": 16}
    options = {
        "ablation.data.train.num_singles": 12,
        "ablation.data.test.num_singles": 16,
        "ablation.data.train.image_size": 32,
        "ablation.data.test.image_size": 32,
        "train_dataloader.dataset.data_root": data_root / "train",
        "test_dataloader.dataset.data_root": data_root / "test",
        "model.head.statistics": data_root / "statistics.json",
        "model.data_preprocessor.crop_size": 32,
        "model.backbone.config.hidden_sizes": "[8,16]",
        "model.backbone.config.depths": "[1,1]",
        "train_dataloader.batch_size": 4,
        **{f"ablation.axes.decoder.options.hand_decoder.{k}": v for k, v in sizes.items()},
    }
    base = [CONFIG, "--work-dir", str(tmp_path / "work"), "--iters", "2", "--jobs", "1"]
    base += ["--default-seeds", "0"]

    def run_tool(*arguments: str) -> None:
        tail = ["--cfg-options", *(f"{key}={value}" for key, value in options.items())]
        tool.main([*base, *arguments, *tail])

    return run_tool


def folders(tmp_path: Path) -> dict[str, Path]:
    """Training folders by their names without the digest."""
    found = (path for path in (tmp_path / "work").iterdir() if path.is_dir())
    return {path.name.rpartition("-")[0]: path for path in found}


def test_trains_tests_and_writes_the_table(run, tmp_path, data_root, capsys):
    run("--variants", "no_embedding", "--default-seeds", "0", "1")
    assert sorted(folders(tmp_path)) == RUNS

    rows = json.loads((tmp_path / "work" / "ablation.json").read_text())["rows"]
    assert list(rows) == ["constant predictor", "default", "no_embedding"]
    assert rows["default"]["num_seeds"] == 2 and rows["no_embedding"]["num_seeds"] == 1
    told = [
        json.loads((folders(tmp_path)[name] / "metrics.json").read_text())["metrics"]
        for name in RUNS
    ]
    for name in ("mpjpe_cam", "mpjpe_rel", "pa_mpjpe", "root_error"):
        value = rows["default"]["metrics"][name]
        assert value == pytest.approx((told[0][name] + told[1][name]) / 2)
        assert rows["no_embedding"]["metrics"][name] == pytest.approx(told[2][name])

    train_hands, truth = (
        read_ground_truth(ShardReader(data_root / split)) for split in ("train", "test")
    )
    constant = summarize(ConstantPredictor.fit(train_hands).predict(truth), truth)
    assert rows["constant predictor"]["metrics"] == pytest.approx(constant)

    # The test hands choose nothing, not even a checkpoint.
    cfg = Config.fromfile(folders(tmp_path)["default-seed0"] / "config.py")
    assert cfg.val_cfg is None and cfg.val_dataloader is None and cfg.val_evaluator is None
    assert cfg.default_hooks.checkpoint.save_best is None and cfg.randomness.seed == 0

    text = capsys.readouterr().out
    table = [line.split(" | ")[:3] for line in text.splitlines() if line.startswith("| ")]
    assert table[2][:2] == ["| constant predictor", "-"]
    assert [row[:2] for row in table[3:]] == [["| **default**", "**2**"], ["| no_embedding", "1"]]
    assert "2 iterations of 4 crops of 32 px" in text and "12 training hands, 16 test" in text
    assert "(0.7 epochs)" in text and "Judged by `mpjpe_cam`, against `default`:" in text
    assert re.search(r"moved along their rays .* `mpjpe_cam` [1-9]\d", text)
    assert "- 3 trainings with their tests: 0 min in all" in text
    assert all(f"- {limit}" in text for limit in SETTINGS.limits)


def test_what_is_finished_is_not_done_again_and_the_rest_goes_on(run, tmp_path, capsys):
    run("--variants", "no_embedding")
    done = folders(tmp_path)
    written = {path: path.stat().st_mtime_ns for path in (tmp_path / "work").rglob("*.pth")}
    (done["no_embedding-seed0"] / "metrics.json").unlink()  # trained, but its test was cut short
    capsys.readouterr()
    run("--variants", "no_embedding")
    told = capsys.readouterr().out
    assert "no_embedding (seed 0): mpjpe_cam" in told and "default (seed 0)" not in told
    assert all(path.stat().st_mtime_ns == time for path, time in written.items())
    assert (done["no_embedding-seed0"] / "output.log").read_text() == "test.py\n"
    assert folders(tmp_path) == done


def test_another_config_is_another_training(run, tmp_path):
    run("--variants", "default")
    before = folders(tmp_path)["default-seed0"]
    run("--variants", "default", "--iters", "3")
    trained = {path for path in (tmp_path / "work").iterdir() if path.is_dir()}
    assert len(trained) == 2 and before in trained
    assert (before / "iter_2.pth").exists() and not (before / "iter_3.pth").exists()


def test_a_failure_is_named_and_the_others_are_compared(run, tmp_path, capsys):
    with pytest.raises(SystemExit) as stopped:
        run("--variants", "no_embedding", "--seeds", "-1")  # no seed of random numbers
    assert stopped.value.code == 1
    told = capsys.readouterr().out
    assert "default (seed 0): mpjpe_cam" in told
    assert "no_embedding (seed -1): FAILED: Seed must be" in told
    assert re.search(r"failed:\n  no_embedding \(seed -1\): see \S+output.log", told)
    assert "| no_embedding | - | - | - |" in told


def test_an_interrupt_ends_the_tool(run, tool, monkeypatch, capsys):
    def interrupted(jobs: Sequence[Job], **settings: object) -> Iterator[FinishedJob]:
        raise KeyboardInterrupt
        yield

    monkeypatch.setattr(tool, "run_jobs", interrupted)
    with pytest.raises(SystemExit) as stopped:
        run("--variants", "no_embedding")
    assert stopped.value.code == 130
    assert "repeat the command to go on" in capsys.readouterr().out


def test_a_page_without_the_section_is_refused_before_training(run, tmp_path):
    (tmp_path / "page.md").write_text("no markers\n")
    with pytest.raises(ValueError, match="must hold the lines"):
        run("--write", str(tmp_path / "page.md"))
    assert not (tmp_path / "work").exists()


@pytest.fixture
def small(tool, monkeypatch) -> None:
    """Declare two rows only."""
    settings = load_config(CONFIG)
    settings.ablation.variants = [{"embedding": "no_embedding"}]
    monkeypatch.setattr(tool, "load_config", lambda path, options: merged(settings, options))


def merged(cfg: Config, options: dict[str, object]) -> Config:
    cfg.merge_from_dict(options)
    return cfg


def test_a_page_gets_all_variants_or_none(run, small, tmp_path, capsys):
    page = tmp_path / "page.md"
    page.write_text(PAGE)
    with pytest.raises(SystemExit) as stopped:
        run("--seeds", "-1", "--write", str(page))  # no seed of random numbers
    assert "left as it was; not finished: no_embedding (seed -1)" in stopped.value.code
    assert page.read_text() == PAGE
    run("--write", str(page))
    text = page.read_text()
    assert text.startswith("before\n") and text.endswith("after\n")
    assert "`python tools/benchmark/ablation.py" in text and "| no_embedding | 1 |" in text

    page.write_text(PAGE)
    with pytest.raises(SystemExit) as stopped:
        run("--variants", "no_embedding", "--write", str(page))
    assert stopped.value.code == 2 and page.read_text() == PAGE
    assert "leave out --variants, or --write" in capsys.readouterr().err


def test_a_report_trains_nothing(run, tool, tmp_path, monkeypatch, capsys):
    """And with a folder of its own, it leaves the work dir as it is."""
    run("--variants", "default")
    (tmp_path / "work" / "ablation.json").unlink()
    before = sorted((tmp_path / "work").rglob("*"))
    for name in ("make_data", "train"):
        monkeypatch.setattr(tool, name, None)
    capsys.readouterr()
    run("--report", "--out", str(tmp_path / "out"), "--default-seeds", "0", "1")
    told = capsys.readouterr().out
    assert "| **default** | **1** |" in told and "| beta | - | - |" in told
    assert sorted((tmp_path / "work").rglob("*")) == before
    assert list(json.loads((tmp_path / "out" / "ablation.json").read_text())["rows"]) == [
        "constant predictor",
        "default",
    ]
    assert (tmp_path / "out" / "ablation.png").is_file()


def test_a_change_without_effect_is_refused(tool):
    with pytest.raises(ValueError, match=r"axes\.decoder\.options\.hand_decoder\.width"):
        tool.main(["--cfg-options", "model.head.decoder.width=16"])


def test_the_model_of_the_config_is_the_default():
    """Who changes one must change the other, and no helper becomes a key."""
    base = load_config(CONFIG)
    cfg = DECLARED.config(base, DECLARED.variants["default"])
    assert cfg.model == base.model
    keys = {"ablation", "model"}
    assert keys == set(Config.fromfile(ROOT / "configs" / "_base_" / "models" / "ablation.py"))


def test_the_default_has_the_parts_of_the_recipes():
    models = [
        Config.fromfile(ROOT / "configs" / "_base_" / "models" / f"{name}.py").model
        for name in ("ablation", "camera_space")
    ]
    parts = [
        [part.type for part in (m.neck, m.head.decoder, m.head.pose_head, m.head.translation_head)]
        for m in models
    ]
    assert parts[0] == parts[1]


def test_a_head_with_its_own_projections_has_no_second_loss_of_them():
    for row in DECLARED.variants.values():
        losses = DECLARED.config(load_config(CONFIG), row).model.losses
        is_weak = row.choice["translation"].startswith("weak_perspective")
        assert ("loss_keypoints_img" in losses) != is_weak


@pytest.mark.parametrize(("count", "begin"), [(2, 1), (100, 10), (10_000, 50)])
def test_the_learning_rate_fits_the_length(tool, count, begin):
    cfg = load_config(CONFIG)
    tool.set_iterations(cfg, count)
    warm_up, decay = cfg.param_scheduler
    assert (warm_up.begin, warm_up.end) == (0, begin)
    assert (decay.begin, decay.end, decay.T_max) == (begin, count, count - begin)
    assert cfg.train_cfg.max_iters == count


@pytest.mark.parametrize("name", DECLARED.variants)
def test_every_declared_variant_builds_and_learns(name, make_batch):
    """Each part of the table exists, takes its place, and all of it gets gradients."""
    cfg = self_contained(DECLARED.config(load_config(CONFIG), DECLARED.variants[name]))
    model = MODELS.build(cfg.model)
    losses = model(model.data_preprocessor(make_batch(2))["crops"], mode="loss")
    sum(losses.values()).backward()
    parameters = model.named_parameters()
    assert not [name for name, p in parameters if p.requires_grad and p.grad is None]
