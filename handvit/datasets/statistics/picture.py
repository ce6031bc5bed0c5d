"""Show at a glance how the hands of a survey are distributed."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from handvit.datasets.statistics.column_histograms import ColumnHistograms
from handvit.datasets.statistics.hand_survey import HandSurvey, share_out_of_range
from handvit.geometry.box_prior import LOG_RATIO_RANGE
from handvit.visualization.plots import encode_png

_DPI = 110
_JOINTS = tuple(
    f"{finger}{joint}"
    for finger in ("index", "middle", "pinky", "ring", "thumb")
    for joint in "123"
)


def plot_survey(survey: HandSurvey) -> bytes:
    """Plot depth, distance over box prior, and joint limits, as an encoded PNG.

    Raises:
        ValueError: too few hands, as in ``HandSurvey.statistics``.
    """
    statistics = survey.statistics()
    figure = Figure(figsize=(11, 7), dpi=_DPI, layout="constrained")
    rows = figure.subplot_mosaic([["depth", "prior"], ["limits", "limits"]])
    depth, prior = rows["depth"], rows["prior"]
    _plot_shares(depth, survey.depth, shift=0.0)
    depth.set(title="depth of the wrist", xlabel="m")
    _plot_shares(prior, survey.log_scale, shift=float(np.log(statistics.prior_scale)))
    outside = share_out_of_range(survey.log_scale)
    prior.set(title=f"distance / prior: {outside:.1%} out of UvDistanceHead's range", xlabel="log")
    for place in (LOG_RATIO_RANGE[0], 0, LOG_RATIO_RANGE[1]):
        prior.axvline(place, color="black", linewidth=0.8)
    _plot_limits(rows["limits"], statistics.pose_low, statistics.pose_high, survey.pose.mean[3:])
    return encode_png(figure)


def _plot_shares(axes: Axes, histogram: ColumnHistograms, *, shift: float) -> None:
    """Draw the bins that are not empty, moved to the left by ``shift``."""
    counts = histogram.counts[0]
    filled = np.flatnonzero(counts)
    first, last = filled[0], filled[-1] + 1
    edges = histogram.edges[first : last + 1] - shift
    axes.stairs(100 * counts[first:last] / counts.sum(), edges, fill=True)
    axes.set_ylabel("hands / %")
    axes.grid(alpha=0.3)


def _plot_limits(axes: Axes, low: np.ndarray, high: np.ndarray, mean: np.ndarray) -> None:
    """Draw the range of each axis-angle component as a bar with its mean, (15, 3) rad each."""
    mean = mean.reshape(15, 3)
    place = np.arange(15)
    for axis, name in enumerate("xyz"):
        x = place + 0.25 * (axis - 1)
        height = high[:, axis] - low[:, axis]
        axes.bar(x, height, 0.2, low[:, axis], color=f"C{axis}", alpha=0.6, label=name)
        axes.plot(x, mean[:, axis], "_", color="black", markersize=9)
    axes.set(title="limits and means of finger joints", ylabel="axis-angle / rad")
    axes.set_xticks(place, _JOINTS)
    axes.use_sticky_edges = False  # else the lowest bar ends at the frame
    axes.autoscale_view()
    axes.grid(alpha=0.3, axis="y")
    axes.legend(ncols=3)
