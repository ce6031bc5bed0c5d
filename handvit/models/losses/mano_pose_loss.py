"""Ask for the right finger rotations."""

from typing import Any

from torch import Tensor, nn

from handvit.models.losses.functional import fill_unlabelled, masked_mean
from handvit.registry import MODELS
from handvit.structures import HandPrediction, HandTarget


@MODELS.register_module()
class ManoPoseLoss(nn.Module):
    """Distance of ``hand_pose`` where MANO parameters are labelled."""

    def __init__(self, *, weight: float, distance: dict[str, Any] | None = None) -> None:
        """Choose weight and distance.

        Args:
            weight: per summed matrix element, or per radian with the other distances; either is
                averaged over the 15 joints.
            distance: of rotations; ``RotationMatrixDistance`` when omitted.
        """
        super().__init__()
        self.weight = weight
        self.distance = MODELS.build(distance or dict(type="RotationMatrixDistance"))

    def forward(self, pred: HandPrediction, target: HandTarget) -> Tensor:
        """Return the weighted scalar."""
        labels = target.crops.labels
        hand_pose = pred.mano.hand_pose
        gt = fill_unlabelled(labels.mano.hand_pose, hand_pose, labels.mano_valid)
        error = self.distance(hand_pose, gt).mean(-1)  # (B, T)
        return self.weight * masked_mean(error, labels.mano_valid)
