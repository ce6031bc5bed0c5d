"""Pool the hands of data sets into ``HandStatistics``, however many there are."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch

from handvit.datasets.shards.shard_reader import ShardReader
from handvit.datasets.statistics.column_histograms import ColumnHistograms
from handvit.datasets.statistics.hand_measures import (
    PlacedHands,
    PosedHands,
    placed_hands,
    posed_hands,
)
from handvit.datasets.statistics.label_chunks import label_chunks, spaced_rows
from handvit.datasets.statistics.moments import Moments
from handvit.geometry.box_prior import LOG_RATIO_RANGE
from handvit.geometry.rotation import matrix_to_axis_angle
from handvit.structures import HandStatistics

#: Called with the number of samples read since the last call.
Report = Callable[[int], Any]

MIN_HANDS = 10
_ANGLE_BINS = 6284  # a milliradian each
_TAIL = 0.0005  # of a finger angle, left out at either end
_MARGIN = 0.05  # of the range of a finger angle, added at either end
_MIN_RANGE = 0.2  # rad; some angles never change in synthetic hands
_LOG_LOW, _LOG_HIGH, _LOG_BINS = -4, 3, 1400  # half a per cent each


class HandSurvey:
    """Add up hands as they are read; ``statistics`` tells what they are like.

    Args:
        hand_model: that the poses belong to.
    """

    def __init__(self, hand_model: str) -> None:
        self.hand_model = hand_model
        self.pose = Moments(48)  # axis-angle, rad
        self.betas = Moments(10)
        self.root = Moments(3)  # metres
        self.root_by_hand = Moments(3)  # hand sizes
        self.hand_size = Moments(1)  # metres
        self.finger_angles = ColumnHistograms(
            -math.pi, math.pi, num_bins=_ANGLE_BINS, num_columns=45
        )
        self.depth = ColumnHistograms(0, 3, num_bins=150)  # metres
        # log(distance / box prior), of distances in metres and in hand sizes
        self.log_scale = ColumnHistograms(_LOG_LOW, _LOG_HIGH, num_bins=_LOG_BINS)
        self.log_scale_by_hand = ColumnHistograms(_LOG_LOW, _LOG_HIGH, num_bins=_LOG_BINS)
        self._rotation_sum = np.zeros((16, 3, 3))

    def add_posed(self, hands: PosedHands, weight: float) -> None:
        """Add poses and shapes of the same weight each."""
        self._rotation_sum += weight * hands.rotation.sum(axis=0)
        self.pose.add(hands.axis_angle, weight)
        self.betas.add(hands.betas, weight)
        self.finger_angles.add(hands.axis_angle[:, 3:], weight)

    def add_placed(self, hands: PlacedHands, weight: float) -> None:
        """Add places of the same weight each; by hand size where that is known."""
        log_scale = np.log(hands.distance / hands.prior)[:, None]
        self.root.add(hands.root_cam, weight)
        self.depth.add(hands.root_cam[:, 2:], weight)
        self.log_scale.add(log_scale, weight)

        is_sized = ~np.isnan(hands.hand_size)
        size = hands.hand_size[is_sized, None]
        self.hand_size.add(size, weight)
        self.root_by_hand.add(hands.root_cam[is_sized] / size, weight)
        self.log_scale_by_hand.add(log_scale[is_sized] - np.log(size), weight)

    def statistics(self) -> HandStatistics:
        """Return what was found.

        Raises:
            ValueError: too few hands; says what they lack.
        """
        self._check_numbers()
        low, high = self._angle_limits()
        return HandStatistics(
            hand_model=self.hand_model,
            num_hands=self.pose.num_added,
            pose_mean=_mean_rotation(self._rotation_sum),
            pose_covariance=self.pose.covariance,
            pose_low=low,
            pose_high=high,
            betas_mean=self.betas.mean,
            betas_covariance=self.betas.covariance,
            root_mean=self.root.mean,
            root_covariance=self.root.covariance,
            root_by_hand_mean=self.root_by_hand.mean,
            root_by_hand_covariance=self.root_by_hand.covariance,
            prior_scale=_median_scale(self.log_scale),
            prior_scale_by_hand=_median_scale(self.log_scale_by_hand),
        )

    def _check_numbers(self) -> None:
        found = {
            "MANO labels": self.pose.num_added,
            "a real camera and a 3D wrist": self.root.num_added,
            "these and the middle finger's 3D joints": self.hand_size.num_added,
        }
        for what, number in found.items():
            if number < MIN_HANDS:
                raise ValueError(
                    f"only {number} hands with {what}, want {MIN_HANDS} or more; take more hands,"
                    " or add a data set that has these labels"
                )

    def _angle_limits(self) -> tuple[np.ndarray, np.ndarray]:
        """Return what nearly all finger angles lie between, with some room, (15, 3) rad twice."""
        low, high = self.finger_angles.quantile(_TAIL), self.finger_angles.quantile(1 - _TAIL)
        middle = (low + high) / 2
        half_range = np.maximum((high - low) * (1 + 2 * _MARGIN), _MIN_RANGE) / 2
        return (middle - half_range).reshape(15, 3), (middle + half_range).reshape(15, 3)


def survey_hands(
    readers: Sequence[ShardReader],
    *,
    weights: Sequence[float] | None = None,
    num_hands: int | None = None,
    report: Report = lambda count: None,
) -> HandSurvey:
    """Measure the hands of data sets as a training draws them.

    Args:
        weights: how often each data set is drawn from, in any scale, as in ``MixtureDataset``;
            ``None`` if every hand counts the same.
        num_hands: of each data set read so many at most, spread over it.
        report: called with numbers of samples read.

    Raises:
        ValueError: weights that are none, data sets that have no pose or not the same hand model,
            or a hand without a size.
        ShardError: labels are not readable.
    """
    survey = HandSurvey(_common_hand_model(readers))
    if weights is None:
        weights = [len(reader) for reader in readers]
    _check_weights(weights, len(readers))
    for reader, weight in zip(readers, weights, strict=True):
        rows = spaced_rows(len(reader), num_hands)
        for labels in label_chunks(reader, rows):
            survey.add_posed(posed_hands(labels), weight / len(rows))
            survey.add_placed(placed_hands(labels), weight / len(rows))
            report(len(labels))
    return survey


def share_out_of_range(log_scale: ColumnHistograms) -> float:
    """Return the share of hands whose log(distance / prior) lies outside ``LOG_RATIO_RANGE``."""
    low, high = LOG_RATIO_RANGE + log_scale.quantile(0.5)
    return log_scale.share_outside(low, high).item()


def _common_hand_model(readers: Sequence[ShardReader]) -> str:
    models = {str(reader.root): reader.info.hand_model for reader in readers}
    named = set(models.values()) - {None}
    if not named:
        raise ValueError(
            f"{', '.join(models)}: no MANO labels (hand_model is null in dataset.json), so there is"
            " no pose to measure; add a data set that has them"
        )
    if len(named) > 1:
        raise ValueError(
            f"hand_model: {models} differ; the same MANO numbers mean different hands, so measure"
            " data sets of one hand model"
        )
    return named.pop()


def _check_weights(weights: Sequence[float], num_datasets: int) -> None:
    if len(weights) != num_datasets:
        raise ValueError(f"weights: {len(weights)} numbers for {num_datasets} data sets")
    if not all(weight > 0 and math.isfinite(weight) for weight in weights):
        raise ValueError(f"weights: {list(weights)} must be positive; leave a data set out instead")


def _mean_rotation(matrix: np.ndarray) -> np.ndarray:
    """Return the rotations nearest to sums of rotations, (16, 3, 3) -> (16, 3) rad.

    They minimise the mean squared chordal distance (Hartley et al. 2013, section 5.3).
    """
    left, _, right = np.linalg.svd(matrix)
    left[..., 2] *= np.linalg.det(left @ right)[..., None]  # no reflection
    return matrix_to_axis_angle(torch.from_numpy(left @ right)).numpy()


def _median_scale(log_scale: ColumnHistograms) -> float:
    """Return the median of distance / prior, which heads correct by a factor.

    A least-squares fit would follow boxes of a few pixels, whose priors are huge.
    """
    return math.exp(log_scale.quantile(0.5).item())
