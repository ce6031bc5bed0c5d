"""Cut clips of any length and stride out of single frames, by index arithmetic."""

import numpy as np


class ClipIndex:
    """Find the frames before a given frame.

    A run is a stretch of one track without a long gap; clips never leave the run of their last
    frame.

    Args:
        track: (N,) track of each row; rows may come in any order.
        frame_time: (N,) seconds.
        max_frame_gap: seconds between neighbouring frames above which a new run begins.
    """

    def __init__(self, track: np.ndarray, frame_time: np.ndarray, *, max_frame_gap: float) -> None:
        order = np.lexsort((frame_time, track))
        same_track = np.diff(track[order]) == 0
        gap = np.diff(frame_time[order])
        starts = np.ones(len(order), bool)
        starts[1:] = ~same_track | (gap > max_frame_gap)
        positions = np.arange(len(order), dtype=np.int32)
        self._row_at = order.astype(np.int32)  # sorted position -> row
        self._position_of = np.empty_like(positions)  # row -> sorted position
        self._position_of[order] = positions
        self._run_start = np.maximum.accumulate(np.where(starts, positions, 0))
        #: a row whose track has another frame at the same time, -1 if there is none
        repeated = np.flatnonzero(same_track & (gap == 0))
        self.ambiguous_row = int(order[repeated[0]]) if len(repeated) else -1

    def clip(self, last_row: int, length: int, stride: int) -> tuple[np.ndarray, np.ndarray]:
        """Return rows (length,) that end in ``last_row``, and which of them are real (length,).

        Where history is missing the first real frame of the clip stands in.
        """
        last = self._position_of[last_row]
        positions = last - stride * np.arange(length - 1, -1, -1)
        valid = positions >= self._run_start[last]
        return self._row_at[np.maximum(positions, positions[valid.argmax()])], valid
