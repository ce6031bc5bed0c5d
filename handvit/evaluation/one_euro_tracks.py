"""Smooth predicted hands track by track, and find the parameters that do it best.

The wrist and the hand around it move differently, so each has a filter of its own.
"""

from collections.abc import Iterable
from itertools import product
from typing import NamedTuple

import numpy as np
import torch

from handvit.evaluation.functional import keypoint_errors, mean_of_valid
from handvit.evaluation.ground_truth import GroundTruth
from handvit.evaluation.one_euro import OneEuroParams, smooth
from handvit.evaluation.tracks import group_tracks
from handvit.structures.skeleton import WRIST

#: What ``fit_one_euro`` tries: from heavy smoothing to practically none.
MIN_CUTOFFS = (0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 1000.0)
BETAS = (0.0, 1.0, 3.0, 10.0, 30.0, 100.0)
GRID = tuple(OneEuroParams(min_cutoff, beta) for min_cutoff, beta in product(MIN_CUTOFFS, BETAS))


class OneEuroSettings(NamedTuple):
    """Pair the filters of a hand: one for ``root_cam``, one for ``keypoints_rel``."""

    root: OneEuroParams
    rel: OneEuroParams


#: A cautious choice for predictions at 30 frames a second whose wrist jitters by centimetres and
#: whose fingers jitter by millimetres: hands at half a metre a second hardly lag. ``fit_one_euro``
#: finds a better one for a given model.
DEFAULT_SETTINGS = OneEuroSettings(root=OneEuroParams(2.0, 30.0), rel=OneEuroParams(4.0, 30.0))


def smooth_tracks(
    keypoints_cam: np.ndarray,
    sample_id: np.ndarray,
    frame_time: np.ndarray,
    settings: OneEuroSettings = DEFAULT_SETTINGS,
) -> np.ndarray:
    """Filter the hands of each track in the order of time.

    Args:
        keypoints_cam: (N, 21, 3) metres.
        sample_id: (N,) names the tracks.
        frame_time: (N,) seconds.

    Returns:
        (N, 21, 3) metres, in the order given.
    """
    root_cam = keypoints_cam[:, WRIST : WRIST + 1]  # (N, 1, 3)
    tracks = group_tracks(sample_id, frame_time).values()
    smooth_root = _smooth_rows(root_cam, frame_time, tracks, settings.root)
    return smooth_root + _smooth_rows(keypoints_cam - root_cam, frame_time, tracks, settings.rel)


def fit_one_euro(keypoints_cam: np.ndarray, truth: GroundTruth) -> OneEuroSettings:
    """Choose both filters from ``GRID`` for the least ``mpjpe_cam``, so that the baseline is fair.

    Fit on tracks that are not the ones reported. The wrist's filter is chosen first, then the
    hand's with the wrist's in place.

    Args:
        keypoints_cam: (N, 21, 3) metres, predictions in the order of ``truth``.

    Raises:
        ValueError: no hand has a 3D keypoint in a real camera.
    """
    mask = torch.as_tensor(truth.keypoints_cam_valid & truth.camera_valid[:, None])
    if not mask.any():
        raise ValueError(f"none of {len(truth)} hands has a 3D keypoint in a real camera to fit on")
    root_cam = keypoints_cam[:, WRIST : WRIST + 1]
    tracks = group_tracks(truth.sample_id, truth.frame_time).values()
    gt = torch.as_tensor(truth.keypoints_cam, dtype=torch.float64)

    def best(part: np.ndarray, rest: np.ndarray) -> OneEuroParams:
        def mean_error(params: OneEuroParams) -> float:
            pred = rest + _smooth_rows(part, truth.frame_time, tracks, params)
            return mean_of_valid(keypoint_errors(torch.as_tensor(pred), gt), mask).item()

        return min(GRID, key=mean_error)

    keypoints_rel = keypoints_cam - root_cam
    root = best(root_cam, keypoints_rel)
    smooth_root = _smooth_rows(root_cam, truth.frame_time, tracks, root)
    return OneEuroSettings(root=root, rel=best(keypoints_rel, smooth_root))


def _smooth_rows(
    values: np.ndarray, frame_time: np.ndarray, tracks: Iterable[np.ndarray], params: OneEuroParams
) -> np.ndarray:
    smoothed = np.empty_like(values)
    for rows in tracks:
        smoothed[rows] = smooth(values[rows], frame_time[rows], params)
    return smoothed
