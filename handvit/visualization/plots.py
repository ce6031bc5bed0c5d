"""Plot how training went and where errors come from, as PNG images, without a display."""

import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from handvit.evaluation.depth_bins import DepthBins
from handvit.evaluation.summary import MILLIMETRES

_DPI = 110


class Curve(NamedTuple):
    """One number over the steps of a training."""

    step: np.ndarray  # (N,)
    value: np.ndarray  # (N,)


def read_scalars(path: str | Path) -> dict[str, Curve]:
    """Read the ``vis_data/scalars.json`` that MMEngine writes: one JSON object a line.

    Of steps that were logged twice, as after a resume, the last line counts.

    Returns:
        name -> curve, for every number that was logged together with a ``step``.

    Raises:
        ValueError: a line is no JSON object; names file and line.
    """
    points: dict[str, dict[int, float]] = {}
    for number, line in enumerate(Path(path).read_text().splitlines(), start=1):
        if not line.strip():
            continue
        values = _numbers(path, number, line)
        for name, value in values.items():
            points.setdefault(name, {})[values["step"]] = value
    return {
        name: Curve(*np.array(sorted(values.items()), dtype=np.float64).T)
        for name, values in points.items()
        if name != "step"
    }


def plot_training(logs: Mapping[str, Mapping[str, Curve]], *, metric: str = "mpjpe_cam") -> bytes:
    """Plot the loss and the validation metric of several trainings.

    Args:
        logs: training -> what ``read_scalars`` returned.
        metric: validation metric of the right-hand plot; left empty where it was not logged.

    Returns:
        an encoded PNG.
    """
    figure = Figure(figsize=(10, 3.6), dpi=_DPI, layout="constrained")
    loss_axes, metric_axes = figure.subplots(1, 2)
    for number, (training, curves) in enumerate(logs.items()):
        style = {"label": training, "color": f"C{number}"}
        if "loss" in curves:
            step, loss = curves["loss"]
            loss_axes.plot(step, loss, linewidth=0.8, alpha=0.3, color=style["color"])
            loss_axes.plot(step, moving_average(loss, max(1, len(loss) // 30)), **style)
        if metric in curves:
            metric_axes.plot(*curves[metric], marker="o", markersize=3, **style)
    _finish(loss_axes, title="training loss", x="iteration", y="loss")
    loss_axes.set_yscale("symlog" if loss_axes.get_ylim()[0] < 0 else "log")
    _finish(metric_axes, title="validation", x="iteration", y=f"{metric} / mm")
    _add_legend(figure, loss_axes, metric_axes)
    return encode_png(figure)


def plot_depth_bins(bins: Mapping[str, DepthBins]) -> bytes:
    """Plot wrist error and depth bias over the depth for several methods, as an encoded PNG."""
    figure = Figure(figsize=(10, 3.6), dpi=_DPI, layout="constrained")
    error_axes, bias_axes = figure.subplots(1, 2)
    for method, values in bins.items():
        edges = values.edge * MILLIMETRES
        error_axes.stairs(values.root_error * MILLIMETRES, edges, label=method, linewidth=1.8)
        bias_axes.stairs(values.depth_bias * MILLIMETRES, edges, label=method, linewidth=1.8)
    bias_axes.axhline(0, color="black", linewidth=0.8)
    error_axes.set_ylim(bottom=0)
    x = "true depth of the wrist / mm"
    _finish(error_axes, title="wrist error by depth", x=x, y="root_error / mm")
    _finish(bias_axes, title="depth bias (predicted - true)", x=x, y="mean of z / mm")
    _add_legend(figure, error_axes)
    return encode_png(figure)


def encode_png(figure: Figure) -> bytes:
    """Render a figure."""
    buffer = io.BytesIO()
    FigureCanvasAgg(figure).print_png(buffer)
    return buffer.getvalue()


def moving_average(values: np.ndarray, window: int) -> np.ndarray:
    """Average (N,) values over ``window`` of them around each, over fewer at the ends."""
    total = np.cumsum(np.concatenate([[0.0], values]))
    place = np.arange(len(values))
    start = np.maximum(place - window // 2, 0)
    end = np.minimum(place + window // 2 + 1, len(values))
    return (total[end] - total[start]) / (end - start)


def _numbers(path: str | Path, number: int, line: str) -> dict[str, float]:
    """Return the finite numbers of a log line, or nothing if it has no step."""
    try:
        values = json.loads(line)
    except json.JSONDecodeError as error:
        raise ValueError(f"{path}: line {number} is not JSON ({error})") from error
    if not isinstance(values, dict):
        raise ValueError(f"{path}: line {number} is not a JSON object")
    if "step" not in values:
        return {}
    return {
        name: value
        for name, value in values.items()
        if isinstance(value, (int, float)) and np.isfinite(value)
    }


def _finish(axes: Axes, *, title: str, x: str, y: str) -> None:
    axes.set_title(title)
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    axes.grid(alpha=0.3)
    if not axes.get_legend_handles_labels()[0]:
        axes.text(0.5, 0.5, "not logged", ha="center", va="center", transform=axes.transAxes)


def _add_legend(figure: Figure, *axes: Axes) -> None:
    """Explain below the plots what the lines of any of them are, in the colours they share."""
    handles = {
        label: handle
        for one in reversed(axes)
        for handle, label in zip(*one.get_legend_handles_labels(), strict=True)
    }
    figure.legend(handles.values(), handles.keys(), loc="outside lower center", ncols=4)
