"""Plot the table of an ablation: which variant errs how much, and at which depth."""

from itertools import pairwise

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from handvit.evaluation.ablation_table import UNCLEAR, AblationTable
from handvit.evaluation.summary import MILLIMETRES
from handvit.evaluation.table import MISSING
from handvit.visualization.plots import encode_png

_DPI = 110
_COLORS = {"better": "tab:green", "worse": "tab:red", UNCLEAR: "tab:gray", MISSING: "tab:blue"}


def plot_ablation(table: AblationTable) -> bytes:
    """Draw camera-space errors with their intervals, and wrist errors by depth, as a PNG."""
    figure = Figure(figsize=(12, 1.6 + 0.3 * len(table.measured)), dpi=_DPI, layout="constrained")
    errors, depths = figure.subplots(1, 2, sharey=True)
    _draw_errors(errors, table)
    _draw_depths(depths, table)
    errors.set_yticks(np.arange(len(table.measured)), table.measured, fontsize=8)
    return encode_png(figure)


def _draw_errors(axes: Axes, table: AblationTable) -> None:
    """One point a variant, coloured by its verdict."""
    for row, (name, error) in enumerate(table.error.items()):
        mean, low, high = (MILLIMETRES * value for value in error)
        spread = [[mean - low], [high - mean]]
        color = _COLORS[table.word(name, "mpjpe_cam")]
        axes.errorbar(mean, row, xerr=spread, fmt="o", color=color, elinewidth=4, markersize=8)
    axes.set_xscale("log")  # a camera that is not the real one errs by metres
    axes.grid(alpha=0.3, which="both")
    axes.set_xlabel("mpjpe_cam / mm, with its interval over test hands")
    axes.set_title(f"green: better than {table.default}, red: worse, grey: {UNCLEAR}", fontsize=9)


def _draw_depths(axes: Axes, table: AblationTable) -> None:
    """One line of cells a variant, from near hands to far ones."""
    bins = [variant.depth_bins for variant in table.measured.values()]
    errors = np.array([MILLIMETRES * values.root_error for values in bins])  # (rows, bins)
    axes.imshow(np.log(errors), cmap="Oranges", alpha=0.6, aspect="auto")
    for (row, column), value in np.ndenumerate(errors):
        axes.text(column, row, f"{value:.0f}", ha="center", va="center", fontsize=8)
    names = [f"{near:.2f}-{far:.2f}" for near, far in pairwise(bins[0].edge)]
    axes.set_xticks(np.arange(len(names)), names, fontsize=8)
    axes.set_xlabel("true depth of the wrist / m")
    axes.set_title("root_error / mm", fontsize=9)
