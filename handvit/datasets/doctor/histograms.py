"""Count how the labels of a data set are distributed."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from matplotlib.figure import Figure

from handvit.datasets.doctor.finding import to_json_number
from handvit.datasets.doctor.label_table import LabelTable
from handvit.structures.skeleton import NUM_KEYPOINTS, WRIST
from handvit.visualization.plots import encode_png

_NUM_BINS = 40
_COLUMNS = 3
_DPI = 100


class Histogram(NamedTuple):
    """Hold the counts of one quantity."""

    edges: np.ndarray  # (K+1,)
    counts: np.ndarray  # (K,)

    def to_record(self) -> dict[str, list[float]]:
        """Return plain JSON values."""
        return {
            "edges": [to_json_number(edge) for edge in self.edges],
            "counts": self.counts.tolist(),
        }


def label_histograms(table: LabelTable) -> dict[str, Histogram]:
    """Count depth, box, focal length, side, size and annotated keypoints: title -> histogram.

    The plot's bins end at the 99.5th percentile, so that one wild label does not empty the rest;
    what lies beyond is counted in the last bin.
    """
    wrist_valid = table.keypoints_cam_valid[:, WRIST]
    box = table.bbox_xyxy[:, 2:] - table.bbox_xyxy[:, :2]
    numbers = {
        "wrist depth / m": table.keypoints_cam[wrist_valid, WRIST, 2],
        "side of the hand's box / px": np.sqrt(box.prod(1)),
        "focal length of the image / px": np.sqrt(table.focal[table.camera_valid].prod(1)),
        "hand's extent / m": table.extent[np.isfinite(table.extent)],
    }
    histograms = {title: _histogram(values) for title, values in numbers.items()}
    keypoints = np.bincount(table.keypoints_img_valid.sum(1), minlength=NUM_KEYPOINTS + 1)
    edges = np.arange(NUM_KEYPOINTS + 2) - 0.5
    histograms["annotated 2D keypoints"] = Histogram(edges, keypoints)
    sides = np.bincount(table.is_right, minlength=2)
    histograms["side: 0 left, 1 right"] = Histogram(np.array([-0.5, 0.5, 1.5]), sides)
    return histograms


def plot_histograms(histograms: Mapping[str, Histogram]) -> bytes:
    """Plot histograms side by side, as an encoded PNG."""
    rows = -(-len(histograms) // _COLUMNS)
    figure = Figure(figsize=(11, 2.6 * rows), dpi=_DPI, layout="constrained")
    all_axes = figure.subplots(rows, _COLUMNS, squeeze=False).ravel()
    for axes, (title, (edges, counts)) in zip(all_axes, histograms.items(), strict=False):
        axes.stairs(counts, edges, fill=True)
        axes.set_title(title, fontsize=10)
        axes.set_ylabel("hands")
        axes.grid(alpha=0.3)
        if not counts.any():
            axes.text(0.5, 0.5, "not annotated", ha="center", transform=axes.transAxes)
    for axes in all_axes[len(histograms) :]:
        axes.set_axis_off()
    return encode_png(figure)


def _histogram(values: np.ndarray) -> Histogram:
    values = values.astype(np.float64)
    if not len(values):
        return Histogram(np.linspace(0, 1, _NUM_BINS + 1), np.zeros(_NUM_BINS, np.int64))
    low, high = values.min(), np.percentile(values, 99.5)
    edges = np.linspace(low, max(high, low + 1e-6), _NUM_BINS + 1)
    counts, _ = np.histogram(values.clip(edges[0], edges[-1]), edges)
    return Histogram(edges, counts)
