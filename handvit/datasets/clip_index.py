"""Cut clips of any length and stride out of single frames, by index arithmetic."""

import numpy as np

from handvit.datasets.shards.dataset_index import DatasetIndex


class ClipIndex:
    """Find the frames before a given frame.

    A run is a stretch of one track without a long gap; clips never leave the run of their last
    frame. Only neighbours of that frame are looked at, however large the data set is.

    Args:
        max_frame_gap: seconds between neighbouring frames above which a new run begins.
    """

    def __init__(self, index: DatasetIndex, *, max_frame_gap: float) -> None:
        self._index = index
        self._max_frame_gap = max_frame_gap

    def clip(self, last_row: int, length: int, stride: int) -> tuple[np.ndarray, np.ndarray]:
        """Return rows (length,) that end in ``last_row``, and which of them are real (length,).

        Where history is missing the first real frame of the clip stands in.
        """
        if length == 1:  # nothing to look up, and the case that has to be fastest
            return np.array([last_row]), np.ones(1, bool)
        last = int(self._index.order.position_of[last_row])
        first = max(0, last - stride * (length - 1))
        rows = self._index.order.row_at[first : last + 1]
        run_length = len(rows) - self._run_start(rows)
        steps = stride * np.arange(length - 1, -1, -1)  # (length,) back from the last frame
        valid = steps < run_length
        return rows[-1 - np.minimum(steps, steps[valid.argmax()])], valid

    def num_before(self, rows: np.ndarray) -> np.ndarray:
        """Count the frames that come before each row in its run, (num_rows,); takes O(N)."""
        row_at, position_of, _ = self._index.order
        positions = np.arange(len(row_at), dtype=np.int32)
        first = np.r_[True, self._breaks(row_at)]
        run_start = np.maximum.accumulate(np.where(first, positions, 0))
        return (positions - run_start)[position_of[rows]]

    def _run_start(self, rows: np.ndarray) -> int:
        """Return where in a list of neighbouring rows the run of the last one starts."""
        breaks = np.flatnonzero(self._breaks(rows))
        return int(breaks[-1]) + 1 if len(breaks) else 0

    def _breaks(self, rows: np.ndarray) -> np.ndarray:
        """Return behind which of neighbouring rows another run starts, (num_rows - 1,) bool."""
        columns = self._index.rows
        new_track = np.diff(columns["track"][rows]) != 0
        return new_track | (np.diff(columns["frame_time"][rows]) > self._max_frame_gap)
