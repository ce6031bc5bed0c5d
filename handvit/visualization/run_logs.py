"""Read the logs of trainings, put resumed ones together, and compare them."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from handvit.engine.run_times import elapsed_seconds, run_times
from handvit.visualization.plots import Curve, read_scalars

_PANEL = (4.4, 3.2)  # inches
_COLUMNS = 3


class RunSummary(NamedTuple):
    """State how a training went; NaN where its log does not say."""

    iterations: int
    hours: float  # with at least one process, breaks left out
    samples_per_s: float  # median
    data_share: float  # median part of the time that waits for data
    best: float  # of the metric
    best_iteration: int
    last: float


def read_run(source: Path) -> dict[str, Curve]:
    """Return name -> curve of a work dir, or of one ``scalars.json``.

    A resumed training has several logs; where they overlap, the later one counts.

    Raises:
        FileNotFoundError: there is no log.
        ValueError: a line is no JSON object.
    """
    files = [source] if source.is_file() else sorted(source.glob("*/vis_data/scalars.json"))
    if not files:
        raise FileNotFoundError(
            f"{source}: no training log (TIME/vis_data/scalars.json); give a work dir of"
            " tools/train.py, or such a file"
        )
    joined: dict[str, Curve] = {}
    for curves in map(read_scalars, files):
        for name, curve in curves.items():
            joined[name] = _join(joined.get(name), curve)
    return joined


def summarize_log(source: Path, curves: Mapping[str, Curve], metric: str) -> RunSummary:
    """Return one row of the comparison."""
    steps, values = curves.get(metric, Curve(np.empty(0), np.empty(0)))
    best = int(values.argmin()) if len(values) else None
    last_step = max((int(curve.step[-1]) for curve in curves.values()), default=0)
    times = run_times(source) if source.is_dir() else []
    return RunSummary(
        iterations=last_step,
        hours=elapsed_seconds(times) / 3600 if times else float("nan"),
        samples_per_s=_median(curves, "samples_per_s"),
        data_share=_median(curves, "data_share"),
        best=float("nan") if best is None else float(values[best]),
        best_iteration=0 if best is None else int(steps[best]),
        last=float(values[-1]) if len(values) else float("nan"),
    )


def plot_runs(
    runs: Mapping[str, Mapping[str, Curve]], keys: Sequence[str], *, smooth: int = 1
) -> Figure:
    """Draw one panel a key with a line for each run.

    Args:
        runs: name -> curves.
        smooth: logged values in a moving average; 1 draws them as they are.
    """
    columns = min(_COLUMNS, len(keys))
    rows = -(-len(keys) // columns)
    figure = Figure((_PANEL[0] * columns, _PANEL[1] * rows), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    for panel, key in zip(axes, keys, strict=False):
        for name, curves in runs.items():
            if key in curves:
                curve = moving_average(curves[key], smooth)
                panel.plot(curve.step, curve.value, label=name, linewidth=1.4)
        panel.set_title(key)
        panel.set_xlabel("iteration")
        panel.grid(alpha=0.3)
    for panel in axes[len(keys) :]:
        panel.axis("off")
    axes[0].legend(fontsize=8)
    return figure


def moving_average(curve: Curve, length: int) -> Curve:
    """Average each value with the ``length - 1`` before it, as far as there are so many."""
    if length <= 1:
        return curve
    total = np.cumsum(np.r_[0.0, curve.value])
    end = np.arange(1, len(curve.value) + 1)
    start = np.maximum(0, end - length)
    return Curve(curve.step, (total[end] - total[start]) / (end - start))


def _join(earlier: Curve | None, later: Curve) -> Curve:
    if earlier is None:
        return later
    keep = earlier.step < later.step[0]
    return Curve(np.r_[earlier.step[keep], later.step], np.r_[earlier.value[keep], later.value])


def _median(curves: Mapping[str, Curve], name: str) -> float:
    return float(np.median(curves[name].value)) if name in curves else float("nan")
