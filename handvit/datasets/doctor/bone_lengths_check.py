"""Check that bones have the proportions of a hand's, and keep their lengths."""

import numpy as np

from handvit.datasets.doctor.anatomy import ADULT_BONE_LENGTH
from handvit.datasets.doctor.finding import Finding, Status, grade, skipped, worst_ids
from handvit.datasets.doctor.label_table import MOST_KEYPOINTS, LabelTable
from handvit.structures.skeleton import BONES, KEYPOINT_NAMES

#: A bone longer or shorter than this many times an adult's, at the size of its hand, is none.
MAX_BONE_RATIO = 2.5
FAIL_BONES = 0.02
#: Samples of one hand that a comparison needs.
MIN_GROUP = 5
#: Deviation from the hand's median length as a share of it: mean over the bones, 90th percentile
#: over the samples. Labels from a mesh have none, triangulated ones several per cent, those of
#: different people under one name some ten.
WARN_SPREAD, FAIL_SPREAD = 0.12, 0.4


def check_bone_lengths(table: LabelTable) -> Finding:
    """Find bones of impossible proportions, and hands whose bones change their lengths."""
    name = "bone_lengths"
    if not np.isfinite(table.bone_length).any():
        return skipped(name, "no bone has both of its 3D keypoints")
    disproportion = _disproportion(table.bone_length)
    is_odd = disproportion > MAX_BONE_RATIO
    change = _change(table)
    compared = np.isfinite(change)
    spread = np.percentile(change[compared], 90) if compared.any() else 0.0
    proportions = grade(is_odd.mean(), warning=0, failure=FAIL_BONES)
    constancy = grade(spread, warning=WARN_SPREAD, failure=FAIL_SPREAD)
    return Finding(
        name=name,
        status=max(proportions, constancy, key=list(Status).index),
        sentence=(
            f"{is_odd.mean():.1%} of the hands have a bone {MAX_BONE_RATIO:g} times too long or"
            f" too short (failure above {FAIL_BONES:.0%}); bones of one hand change their lengths"
            f" by {spread:.1%}, 90th percentile of {compared.sum()} samples (warning above"
            f" {WARN_SPREAD:.0%}, failure above {FAIL_SPREAD:.0%})"
        ),
        worst=worst_ids(
            table.sample_id, is_odd * disproportion + np.where(change > WARN_SPREAD, change, 0)
        ),
        numbers={
            "odd_share": is_odd.mean(),
            "spread": spread,
            "num_compared": compared.sum(),
            **{
                f"median_m/{KEYPOINT_NAMES[child]}": _known_median(length)
                for (_, child), length in zip(BONES, table.bone_length.T, strict=True)
            },
        },
    )


def _disproportion(bone_length: np.ndarray) -> np.ndarray:
    """Return how many times too long or too short each hand's oddest bone is, (N, 20) -> (N,)."""
    ratio = np.log(np.maximum(bone_length, 1e-9) / ADULT_BONE_LENGTH)
    size = np.array([_known_median(row) for row in ratio])
    return np.exp(np.nan_to_num(np.abs(ratio - size[:, None])).max(1))


def _change(table: LabelTable) -> np.ndarray:
    """Return how much the bones of each sample differ from their hand's, (N,) share of the length.

    NaN where many keypoints are missing, or where a hand was seen less than ``MIN_GROUP`` times.
    """
    change = np.full(len(table), np.nan)
    rows = np.flatnonzero(table.keypoints_cam_valid.sum(1) >= MOST_KEYPOINTS)
    _, hand, count = np.unique(table.group[rows], return_inverse=True, return_counts=True)
    for members in np.split(rows[np.argsort(hand, kind="stable")], np.cumsum(count)[:-1]):
        if len(members) >= MIN_GROUP:
            length = table.bone_length[members]
            median = np.array([_known_median(bone) for bone in length.T])
            change[members] = np.nanmean(np.abs(length / np.maximum(median, 1e-9) - 1), axis=1)
    return change


def _known_median(values: np.ndarray) -> float:
    known = values[np.isfinite(values)]
    return float(np.median(known)) if len(known) else np.nan
