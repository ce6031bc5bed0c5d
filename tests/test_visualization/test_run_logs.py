import json
from pathlib import Path

import numpy as np
import pytest

from handvit.visualization.plots import Curve
from handvit.visualization.run_logs import moving_average, plot_runs, read_run, summarize_log


def write(work_dir: Path, time: str, lines: list[dict]) -> None:
    folder = work_dir / time / "vis_data"
    folder.mkdir(parents=True)
    (folder / "scalars.json").write_text("".join(json.dumps(line) + "\n" for line in lines))
    (work_dir / time / f"{time}.log").touch()


@pytest.fixture
def run(tmp_path) -> Path:
    """A training that was killed at 40, and resumed at 20."""
    work_dir = tmp_path / "run"
    write(work_dir, "20260101_000000", [{"step": s, "loss": 1.0 * s} for s in (10, 20, 30, 40)])
    write(
        work_dir,
        "20260102_000000",
        [
            {"step": 30, "loss": -30.0, "samples_per_s": 5.0, "data_share": 0.25},
            {"step": 30, "mpjpe_cam": 50.0},
            {"step": 40, "loss": -40.0, "samples_per_s": 7.0, "data_share": 0.25},
            {"step": 40, "mpjpe_cam": 60.0},
        ],
    )
    return work_dir


def test_resumed_logs_are_put_together_and_the_later_one_counts(run):
    loss = read_run(run)["loss"]
    assert loss.step.tolist() == [10, 20, 30, 40]
    assert loss.value.tolist() == [10, 20, -30, -40]


def test_a_single_file_is_a_run(run):
    curves = read_run(run / "20260101_000000" / "vis_data" / "scalars.json")
    assert curves["loss"].value.tolist() == [10, 20, 30, 40]


def test_a_summary_has_the_best_and_the_last(run):
    found = summarize_log(run, read_run(run), "mpjpe_cam")
    assert found.iterations == 40
    assert (found.best, found.best_iteration, found.last) == (50.0, 30, 60.0)
    assert (found.samples_per_s, found.data_share) == (6.0, 0.25)
    without = summarize_log(run, read_run(run), "auc_cam")
    assert np.isnan([without.best, without.last]).all()


def test_a_folder_without_logs_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="no training log"):
        read_run(tmp_path)


def test_averages_look_back_only():
    curve = Curve(np.arange(4.0), np.array([4.0, 0.0, 2.0, 4.0]))
    assert moving_average(curve, 2).value.tolist() == [4.0, 2.0, 1.0, 3.0]
    assert moving_average(curve, 1) is curve


def test_each_key_has_a_panel_with_the_runs_that_have_it(run):
    curves = read_run(run)
    figure = plot_runs({"a": curves, "b": {"loss": curves["loss"]}}, ["loss", "mpjpe_cam"])
    panels = figure.axes
    assert [panel.get_title() for panel in panels] == ["loss", "mpjpe_cam"]
    assert [len(panel.lines) for panel in panels] == [2, 1]
