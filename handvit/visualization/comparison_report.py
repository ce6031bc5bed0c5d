"""Lay out the comparison of models and baselines as a page that explains itself."""

from collections.abc import Mapping
from typing import Any

from handvit.evaluation.table import format_value, table_columns
from handvit.visualization.hand_report import HandReport

_UNITS = (
    "Lengths in millimetres; accel_error in mm/frame^2; auc_* is the area under the PCK curve from"
    " 0 to 50 mm. *_cam: no alignment. *_rel: after subtracting the wrist. pa_*: after the best"
    " similarity. The best value of a column is marked."
)
_ROWS = {
    "constant": "The mean training hand, placed by its box. What any model has to beat.",
    "stage1": "The single-frame model.",
    "stage1_one_euro": "Stage 1 smoothed by a One-Euro filter. What a temporal model has to beat.",
    "stage2": "The temporal model.",
}
_OVERLAYS = (
    "From the hand that the last row predicts best to its worst, at even distances in rank. Numbers"
    " are the mean keypoint error in camera space and the depth error of the wrist. To the right,"
    " the same hands from above and from the side, in millimetres of camera space."
)
_SETTINGS = ("settings", "predictions", "constant_predictor", "one_euro")


def comparison_report(
    result: Mapping[str, Any],
    *,
    depth_plot: bytes,
    training_plot: bytes | None,
    overlays: Mapping[str, bytes],
) -> HandReport:
    """Build the page.

    Args:
        result: what metrics.json holds.
        depth_plot, training_plot: encoded images; no training section without the latter.
        overlays: caption -> encoded image.
    """
    rows = result["rows"]
    report = HandReport("HandViT comparison")
    report.add_text(
        f"{result['num_hands']} hands of {result['num_hands_in_data']} in the data set; hand model"
        f" {result['hand_model'] or 'unknown'}."
    )
    report.add_heading("Metrics")
    columns = table_columns(rows)
    cells = {
        method: [format_value(name, metrics.get(name)) for name in columns]
        for method, metrics in rows.items()
    }
    report.add_table(columns, cells, best={name: best_row(rows, name) for name in columns})
    report.add_text(_UNITS)
    for method in rows:
        report.add_text(f"{method}: {_ROWS[method]}")
    report.add_heading("Errors by depth")
    report.add_picture(depth_plot, "Every bin holds the same number of hands.")
    if training_plot is not None:
        report.add_heading("Training")
        report.add_picture(training_plot, "Faint: as logged; strong: moving average.")
    if overlays:
        report.add_heading("Hands")
        report.add_text(_OVERLAYS)
        for caption, image in overlays.items():
            report.add_picture(image, caption)
    report.add_heading("Settings")
    report.add_settings({name: result[name] for name in _SETTINGS})
    return report


def best_row(rows: Mapping[str, Mapping[str, float]], metric: str) -> str | None:
    """Return the method with the best value, None where there is nothing to compare."""
    values = {method: metrics[metric] for method, metrics in rows.items() if metric in metrics}
    if len(values) < 2 or metric.startswith("num_"):
        return None
    choose = max if metric.startswith("auc_") else min
    return choose(values, key=values.__getitem__)
