"""Tell the time of InterHand2.6M's frames, whose numbers count at a rate that no file names."""

import math

import numpy as np

from handvit.datasets.converters.interhand_images import starts_of

#: Hz. The studio's cameras ran at one of these, and frames are numbered at that rate.
CAMERA_RATES = (30, 90)
RELEASES = (5, 30)  # frames per second


def frame_times(table: np.ndarray, fps: int) -> np.ndarray:
    """Return seconds since the sequence began, (N,).

    The rate follows from the gap between frames that is commonest in a capture: 6 or 18 at 5 fps,
    1 or 3 at 30 fps.

    Args:
        table: (N,) rows of images, sorted, with ``capture``, ``sequence``, ``camera``, ``frame``.
        fps: of the release, 5 or 30.

    Raises:
        ValueError: the gaps belong to another release.
    """
    gaps = _gaps(table)
    _check_release(gaps, fps)
    starts = starts_of(table, "sequence")
    first = np.minimum.reduceat(table["frame"], starts[:-1])
    times = (table["frame"] - np.repeat(first, np.diff(starts))).astype(np.float64)
    for capture in np.unique(table["capture"]):
        rows = table["capture"] == capture
        times[rows] /= _rate(gaps[rows], fps)
    return times


def _gaps(table: np.ndarray) -> np.ndarray:
    """Return how many frames lie between a row and the next of its camera, (N,); 0 at the last."""
    gaps = np.diff(table["frame"], append=0)
    ends = np.array(starts_of(table, "sequence", "camera")[1:]) - 1
    gaps[ends] = 0
    return gaps


def _commonest(gaps: np.ndarray) -> int | None:
    found, counts = np.unique(gaps[gaps > 0], return_counts=True)
    return int(found[counts.argmax()]) if len(found) else None


def _rate(gaps: np.ndarray, fps: int) -> int:
    """Return the camera rate to which the commonest gap fits best, Hz."""
    gap = _commonest(gaps)
    if gap is None:  # single images: any rate gives zero
        return CAMERA_RATES[0]
    return min(CAMERA_RATES, key=lambda rate: abs(math.log(rate / (gap * fps))))


def _check_release(gaps: np.ndarray, fps: int) -> None:
    gap = _commonest(gaps)
    low, high = min(CAMERA_RATES), max(CAMERA_RATES)
    if gap is not None and not low <= gap * fps <= high:
        raise ValueError(
            f"--fps {fps}: most frames lie {gap} apart, so the cameras would have run at"
            f" {gap * fps} Hz instead of {low} to {high}; choose the release that you downloaded,"
            f" one of {list(RELEASES)}"
        )
