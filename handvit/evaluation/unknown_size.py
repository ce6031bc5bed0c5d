"""Say what a single image must leave open: how large the hand is, and so how far away."""

from typing import NamedTuple

import numpy as np

from handvit.evaluation.ground_truth import GroundTruth
from handvit.structures.skeleton import BONES, WRIST


class SizeSpread(NamedTuple):
    """State how hand sizes vary."""

    mean: float  # metres, summed length of all bones: a single finger says less about the whole
    share: float  # standard deviation, as a part of the mean

    @classmethod
    def of(cls, truth: GroundTruth) -> "SizeSpread":
        """Measure the (training) hands."""
        sizes = _sizes(truth)
        return cls(float(sizes.mean()), float(sizes.std() / sizes.mean()))


def at_mean_size(truth: GroundTruth, mean_size: float) -> np.ndarray:
    """Place each true hand where one of mean size would look as large, (N, 21, 3) metres.

    The wrist moves along its ray by ``mean_size / own size``; the hand around it stays the true
    one. A model that knows all but the hand's size does this on average.
    """
    root_cam = truth.keypoints_cam[:, WRIST : WRIST + 1]  # (N, 1, 3)
    ratio = (mean_size / _sizes(truth))[:, None, None]  # (N, 1, 1)
    return truth.keypoints_cam + (ratio - 1) * root_cam


def _sizes(truth: GroundTruth) -> np.ndarray:
    """Return the summed lengths of all bones, (N,) metres."""
    parents, children = np.transpose(BONES)
    bones = truth.keypoints_cam[:, children] - truth.keypoints_cam[:, parents]  # (N, 20, 3)
    return np.linalg.norm(bones, axis=-1).sum(axis=-1)
