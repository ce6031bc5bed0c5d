"""Sort the frames of a data set by track and time."""

from typing import NamedTuple

import numpy as np


class TrackOrder(NamedTuple):
    """Say where each row lies when the frames of a track are neighbours, in time."""

    row_at: np.ndarray  # (N,) int32: sorted position -> row
    position_of: np.ndarray  # (N,) int32: row -> sorted position
    ambiguous_row: int  # a row whose track has another frame at the same time, or NO_ROW


NO_ROW = -1


def sort_tracks(track: np.ndarray, frame_time: np.ndarray) -> TrackOrder:
    """Sort rows by track, then time.

    Args:
        track: (N,) track of each row; rows may come in any order.
        frame_time: (N,) seconds.
    """
    row_at = np.lexsort((frame_time, track)).astype(np.int32)
    position_of = np.empty_like(row_at)
    position_of[row_at] = np.arange(len(row_at), dtype=np.int32)
    repeated = (np.diff(track[row_at]) == 0) & (np.diff(frame_time[row_at]) == 0)
    ambiguous = np.flatnonzero(repeated)
    return TrackOrder(row_at, position_of, int(row_at[ambiguous[0]]) if len(ambiguous) else NO_ROW)
