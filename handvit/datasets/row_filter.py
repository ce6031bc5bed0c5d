"""Leave frames out by what the index says of them, without reading an image."""

import logging
from typing import Protocol

import numpy as np
from mmengine.logging import print_log

from handvit.registry import FUNCTIONS


class Filter(Protocol):
    """Say which rows to leave out, and why; register your own in ``FUNCTIONS``."""

    def rejected(self, rows: np.ndarray) -> dict[str, np.ndarray]:
        """Return each reason to leave rows out, with the rows that it applies to.

        Args:
            rows: (N,) INDEX_DTYPE.

        Returns:
            reason as it appears in messages -> (N,) bool.
        """


@FUNCTIONS.register_module()
class RowFilter:
    """Ask for labels, size and side of a hand. What is not given is not asked for.

    Args:
        min_keypoints_cam, min_keypoints_img: valid keypoints in 3D and in 2D.
        min_bbox_size: geometric mean of the edges of the hand's box in the stored image, px.
        max_mano_residual: mean distance of MANO's keypoints from the annotated ones, metres.
        keep_unknown_residual: keep rows that have no residual, for want of MANO parameters or of
            annotated keypoints; it matters only beside ``max_mano_residual``.
        is_right: side to keep.
        camera_valid: ``True`` keeps real cameras only, ``False`` guessed ones.

    Raises:
        ValueError: a limit that every row or no row could pass.
    """

    def __init__(
        self,
        *,
        min_keypoints_cam: int | None = None,
        min_keypoints_img: int | None = None,
        min_bbox_size: float | None = None,
        max_mano_residual: float | None = None,
        keep_unknown_residual: bool = True,
        is_right: bool | None = None,
        camera_valid: bool | None = None,
    ) -> None:
        self._minimum = _given(
            num_keypoints_cam=min_keypoints_cam,
            num_keypoints_img=min_keypoints_img,
            bbox_size=min_bbox_size,
        )
        self._maximum = _given(mano_residual=max_mano_residual)
        self._exact = _given(is_right=is_right, camera_valid=camera_valid)
        self._keep_unknown_residual = keep_unknown_residual
        for column, limit in (self._minimum | self._maximum).items():
            if not 0 < limit < np.inf:
                raise ValueError(f"RowFilter: limit {limit} of {column} must be positive")
        if not (self._minimum or self._maximum or self._exact):
            raise ValueError("RowFilter: nothing is asked for; give a limit, or no row_filter")

    def rejected(self, rows: np.ndarray) -> dict[str, np.ndarray]:
        """Return each condition with the rows that do not meet it."""
        reasons = {f"{name} < {limit}": rows[name] < limit for name, limit in self._minimum.items()}
        for name, limit in self._maximum.items():
            reasons[f"{name} > {limit}"] = rows[name] > limit  # false for NaN
            if not self._keep_unknown_residual:
                reasons[f"{name} unknown"] = np.isnan(rows[name])
        for name, value in self._exact.items():
            reasons[f"{name} != {value}"] = rows[name] != value
        return reasons


def rows_passing(
    row_filter: dict | Filter, rows: np.ndarray, table: np.ndarray, *, dataset_name: str
) -> np.ndarray:
    """Return the rows that pass a filter, and log how many do not and why.

    Args:
        row_filter: config of a filter, or a built one.
        rows: (num_rows,) int, into ``table``.
        table: (N,) INDEX_DTYPE.

    Raises:
        ValueError: none passes; names data set, filter and counts.
    """
    if isinstance(row_filter, dict):
        row_filter = FUNCTIONS.build(row_filter)
    reasons = {reason: mask[rows] for reason, mask in row_filter.rejected(table).items()}
    kept = rows[~np.logical_or.reduce(list(reasons.values()))]
    counts = ", ".join(f"{rejected.sum()} {reason}" for reason, rejected in reasons.items())
    summary = (
        f"{dataset_name}: {type(row_filter).__name__} leaves out {len(rows) - len(kept)} of"
        f" {len(rows)} frames ({counts})"
    )
    if not len(kept):
        raise ValueError(f"row_filter: {summary}; relax it, or leave the data set out")
    print_log(summary, logger="current", level=logging.INFO)
    return kept


def _given(**conditions: float | bool | None) -> dict[str, float | bool]:
    return {column: value for column, value in conditions.items() if value is not None}
