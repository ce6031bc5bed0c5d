"""Put the hands of a file back into the image sequences that they came from."""

from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from handvit.structures.hand_sample import track_of

#: Frames count as evenly spaced when their steps differ by less than this share of a step.
SPACING_TOLERANCE = 0.1


def group_tracks(sample_ids: Sequence[str], frame_time: np.ndarray) -> dict[str, np.ndarray]:
    """List the rows of each track in the order of time.

    Args:
        sample_ids: one a hand, N of them.
        frame_time: (N,) seconds.

    Returns:
        track name -> (T,) row numbers.
    """
    rows = defaultdict(list)
    for row, sample_id in enumerate(sample_ids):
        rows[track_of(sample_id)].append(row)
    return {
        track: np.array(members)[np.argsort(frame_time[members], kind="stable")]
        for track, members in rows.items()
    }


def evenly_spaced_triples(frame_time: np.ndarray) -> np.ndarray:
    """Find the frames whose two neighbours lie one ordinary step away, on either side.

    An ordinary step is the median of the track, so that a dropped frame takes its neighbours out
    instead of being counted as a jump.

    Args:
        frame_time: (T,) seconds, in order.

    Returns:
        (T-2,) bool, of frames 1 to T-2; empty for fewer than three frames.
    """
    steps = np.diff(frame_time)  # (T-1,)
    if len(steps) < 2:
        return np.zeros(0, dtype=bool)
    ordinary = np.median(steps)
    usual = (steps > 0) & (np.abs(steps - ordinary) <= SPACING_TOLERANCE * ordinary)
    return usual[:-1] & usual[1:]
