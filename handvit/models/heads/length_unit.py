"""Choose what lengths are measured in: metres, or sizes of the hand that is seen."""

import numpy as np
import torch
from torch import Tensor, nn

from handvit.registry import MODELS
from handvit.structures import HandLabels, HandStatistics
from handvit.structures.hand_size import middle_finger_length, middle_finger_valid


@MODELS.register_module()
class MetreUnit(nn.Module):
    """Measure in metres."""

    def forward(self, keypoints: Tensor) -> Tensor:
        """Return the length of one unit, (...) metres, of keypoints (..., 21, 3) metres."""
        return torch.ones_like(keypoints[..., 0, 0])

    def valid(self, keypoints_valid: Tensor) -> Tensor:
        """Say where annotated keypoints tell the unit, (..., 21) bool -> (...) bool."""
        return torch.ones_like(keypoints_valid[..., 0])

    def root_range(self, statistics: HandStatistics) -> tuple[Tensor, Tensor]:
        """Return mean and standard deviation of the wrist's place in this unit, (3,) each."""
        return _range(statistics.root_mean, statistics.root_covariance)

    def prior_scale(self, statistics: HandStatistics) -> float:
        """Return the size of a hand as its box shows it, in this unit."""
        return statistics.prior_scale


@MODELS.register_module()
class HandSizeUnit(nn.Module):
    """Measure in lengths of the middle finger (``norm_by_hand``).

    One image shows a large hand far away and a small one nearby alike; their distance in hand
    sizes is the same, and the hand's own size says the rest. The same methods as ``MetreUnit``.
    """

    def forward(self, keypoints: Tensor) -> Tensor:
        """Return the length of one unit, (...) metres, of keypoints (..., 21, 3) metres."""
        return middle_finger_length(keypoints)

    def valid(self, keypoints_valid: Tensor) -> Tensor:
        """Say where annotated keypoints tell the unit, (..., 21) bool -> (...) bool."""
        return middle_finger_valid(keypoints_valid)

    def root_range(self, statistics: HandStatistics) -> tuple[Tensor, Tensor]:
        """Return mean and standard deviation of the wrist's place in this unit, (3,) each."""
        return _range(statistics.root_by_hand_mean, statistics.root_by_hand_covariance)

    def prior_scale(self, statistics: HandStatistics) -> float:
        """Return the size of a hand as its box shows it, in this unit."""
        return statistics.prior_scale_by_hand


def length_of_unit(unit: nn.Module, keypoints_rel: Tensor, labels: HandLabels) -> Tensor:
    """Return the length of one unit for placing predicted hands, (B, T) metres, a constant.

    That of the predicted hand; in training mode that of the labelled one, where it is known, so
    that the place is learned in the unit of its targets. A distance that is wrong must not be
    mended by fingers of another length, hence no gradient.
    """
    length = unit(keypoints_rel).detach()
    if not unit.training:
        return length
    known = unit.valid(labels.keypoints_cam_valid)
    return torch.where(known, unit(labels.keypoints_cam), length)


def _range(mean: np.ndarray, covariance: np.ndarray) -> tuple[Tensor, Tensor]:
    variance = torch.as_tensor(covariance, dtype=torch.float32).diagonal()
    return torch.as_tensor(mean, dtype=torch.float32), variance.clamp_min(1e-8).sqrt()
