"""Ask for the right orientation of the wrist."""

from typing import Any

from torch import Tensor, nn

from handvit.models.losses.functional import fill_unlabelled, masked_mean
from handvit.registry import MODELS
from handvit.structures import HandPrediction, HandTarget


@MODELS.register_module()
class Axis3DLoss(nn.Module):
    """Distance of ``global_orient`` where MANO parameters are labelled."""

    def __init__(self, *, weight: float, distance: dict[str, Any] | None = None) -> None:
        """Choose weight and distance.

        Args:
            weight: per radian, or per summed element with ``RotationMatrixDistance``.
            distance: of rotations; ``GeodesicDistance`` when omitted.
        """
        super().__init__()
        self.weight = weight
        self.distance = MODELS.build(distance or dict(type="GeodesicDistance"))

    def forward(self, pred: HandPrediction, target: HandTarget) -> Tensor:
        """Return the weighted scalar."""
        labels = target.crops.labels
        turned = pred.mano.global_orient
        gt = fill_unlabelled(labels.mano.global_orient, turned, labels.mano_valid)
        return self.weight * masked_mean(self.distance(turned, gt), labels.mano_valid)
