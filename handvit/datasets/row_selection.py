"""Choose the frames of a data set that are predicted; all others stay available as history."""

import logging
from collections.abc import Sequence

import numpy as np
from mmengine.logging import print_log

from handvit.datasets.clip_index import ClipIndex


class NoClipError(ValueError):
    """Report that no clip of a data set has enough frames; a mixture goes on without it."""


def rows_of(indices: int | Sequence[int] | None, num_rows: int) -> np.ndarray:
    """Return the rows of the first so many frames, of a list of them, or of all, (num_selected,).

    Raises:
        ValueError: ``indices`` selects nothing, or rows that do not exist.
    """
    if indices is None:
        return np.arange(num_rows, dtype=np.int32)
    rows = np.arange(indices) if isinstance(indices, int) else np.asarray(indices)
    if len(rows) and rows.dtype.kind not in "iu":
        raise ValueError(f"indices: values of type {rows.dtype}, want numbers of rows")
    if not len(rows) or rows.min() < 0 or rows.max() >= num_rows:
        raise ValueError(
            f"indices: {np.array2string(rows, threshold=8)} does not select from the {num_rows}"
            " frames of the data set"
        )
    return rows.astype(np.int32)


def rows_with_history(
    rows: np.ndarray, clips: ClipIndex, *, num_before: int, dataset_name: str
) -> np.ndarray:
    """Return the rows that have at least so many frames before them, and log how many have not.

    Args:
        num_before: frames of the same run of a track.

    Raises:
        NoClipError: there are none; names data set and counts.
    """
    kept = rows[clips.num_before(rows) >= num_before]
    summary = (
        f"{dataset_name}: {len(rows) - len(kept)} of {len(rows)} frames have fewer than"
        f" {num_before} frames before them"
    )
    if not len(kept):
        raise NoClipError(
            f"{summary}; its tracks are too short for this clip_length, stride and min_valid_frames"
        )
    print_log(summary, logger="current", level=logging.INFO)
    return kept
