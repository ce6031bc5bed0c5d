import json

import cv2
import numpy as np
import pytest
from mmengine.visualization import LocalVisBackend

from handvit.evaluation.depth_bins import DepthBins
from handvit.visualization.plots import (
    Curve,
    moving_average,
    plot_depth_bins,
    plot_training,
    read_scalars,
)


def decode(png: bytes) -> np.ndarray:
    assert png.startswith(b"\x89PNG")
    return cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_COLOR)


def test_mmengine_logs_are_read(tmp_path):
    backend = LocalVisBackend(str(tmp_path))
    for step in (10, 20):
        backend.add_scalars({"loss": 1.0 / step, "lr": 1e-4, "iter": step}, step=step)
    backend.add_scalars({"mpjpe_cam": 30.0, "data_time": 0.1}, step=20)
    backend.add_scalars({"loss": 0.02, "iter": 20}, step=20)  # the same step after a resume
    curves = read_scalars(tmp_path / "scalars.json")
    assert curves["loss"].step.tolist() == [10, 20]
    assert curves["loss"].value.tolist() == [0.1, 0.02]
    assert curves["mpjpe_cam"].value.tolist() == [30.0]
    assert "step" not in curves


def test_what_is_no_number_is_passed_over(tmp_path):
    path = tmp_path / "scalars.json"
    path.write_text(
        '{"loss": NaN, "step": 1}\n\n{"loss": 2, "step": 2, "note": "x"}\n{"loss": 3}\n'
    )
    assert read_scalars(path) == {"loss": Curve(np.array([2.0]), np.array([2.0]))}


@pytest.mark.parametrize(("line", "message"), [("{", "is not JSON"), ("[1]", "not a JSON object")])
def test_other_files_are_refused(tmp_path, line, message):
    path = tmp_path / "scalars.json"
    path.write_text(json.dumps({"loss": 1.0, "step": 1}) + "\n" + line + "\n")
    with pytest.raises(ValueError, match=rf"scalars\.json: line 2 .*{message}"):
        read_scalars(path)


def test_training_is_plotted():
    step = np.arange(1.0, 100.0)
    logs = {
        "stage1": {"loss": Curve(step, 1 / step), "mpjpe_cam": Curve(step[::20], 50 / step[::20])},
        "stage2": {"loss": Curve(step, -step)},
    }
    assert decode(plot_training(logs)).std() > 5
    assert decode(plot_training({"stage1": {}})).size


def test_depth_bins_are_plotted():
    bins = DepthBins(
        edge=np.array([0.3, 0.5, 0.9]),
        count=np.array([4, 4]),
        root_error=np.array([0.01, 0.02]),
        depth_bias=np.array([-0.01, 0.02]),
    )
    assert decode(plot_depth_bins({"constant": bins, "stage1": bins})).std() > 5


def test_moving_average_by_hand():
    values = np.array([1.0, 2.0, 6.0, 3.0])
    assert moving_average(values, 1).tolist() == values.tolist()
    assert moving_average(values, 3) == pytest.approx([1.5, 3.0, 11 / 3, 4.5])
