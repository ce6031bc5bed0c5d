"""Choose what lengths are measured in: metres, or sizes of the hand that is seen."""

import torch
from torch import Tensor, nn

from handvit.registry import MODELS
from handvit.structures import HandStatistics
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


def _range(mean: Tensor, covariance: Tensor) -> tuple[Tensor, Tensor]:
    variance = torch.as_tensor(covariance, dtype=torch.float32).diagonal()
    return torch.as_tensor(mean, dtype=torch.float32), variance.clamp_min(1e-8).sqrt()
