"""Place wrists by their deviation from where the training data's wrists are."""

from pathlib import Path
from typing import Any

from torch import Tensor, nn

from handvit.models.heads.length_unit import length_of_unit
from handvit.models.losses.routing import root_valid
from handvit.registry import MODELS
from handvit.structures import HandLabels, HandStatistics
from handvit.structures.skeleton import WRIST


class RootRange(nn.Module):
    """Hold mean and standard deviation of the wrist's place, in metres or in hand sizes."""

    def __init__(
        self, statistics: str | Path | dict[str, Any], *, unit: dict[str, Any] | None
    ) -> None:
        """Read the range of the training data.

        Args:
            statistics: a file, or its content.
            unit: a ``MetreUnit`` (when None) or ``HandSizeUnit``.
        """
        super().__init__()
        self.unit = MODELS.build(unit or dict(type="MetreUnit"))
        mean, std = self.unit.root_range(HandStatistics.load(statistics))
        self.register_buffer("mean", mean)
        self.register_buffer("std", std)

    def place(
        self, deviation: Tensor, depth_std: Tensor, keypoints_rel: Tensor, labels: HandLabels
    ) -> tuple[Tensor, Tensor]:
        """Return wrists (B, T, 3) and standard deviations of their depths (B, T), metres.

        Args:
            deviation: (B, T, 3) from the mean, in standard deviations.
            depth_std: (B, T) of the third one.
            keypoints_rel: (B, T, 21, 3) metres, of the predicted hand.
            labels: (B, T, ...).
        """
        length = length_of_unit(self.unit, keypoints_rel, labels)  # (B, T) metres
        root_cam = (self.mean + self.std * deviation) * length[..., None]
        return root_cam, depth_std * self.std[2] * length

    def target(self, labels: HandLabels) -> tuple[Tensor, Tensor]:
        """Return the labelled wrist's deviations (B, T, 3), and where they are known (B, T) bool.

        Known: real camera, labelled wrist, and joints that tell the unit of the labelled hand.
        """
        length = self.unit(labels.keypoints_cam).clamp_min(1e-6)  # (B, T) metres
        place = labels.keypoints_cam[..., WRIST, :] / length[..., None]
        known = root_valid(labels) & self.unit.valid(labels.keypoints_cam_valid)
        return (place - self.mean) / self.std, known
