"""Ask for the right orientation of the wrist."""

from torch import Tensor, nn

from handvit.models.losses.functional import masked_mean, rotation_angle
from handvit.registry import MODELS
from handvit.structures import HandPrediction, HandTarget


@MODELS.register_module()
class Axis3DLoss(nn.Module):
    """Geodesic angle of ``global_orient`` where MANO parameters are labelled."""

    def __init__(self, *, weight: float) -> None:
        """Set the weight, per radian."""
        super().__init__()
        self.weight = weight

    def forward(self, pred: HandPrediction, target: HandTarget) -> Tensor:
        """Return the weighted scalar."""
        labels = target.crops.labels
        angle = rotation_angle(pred.mano.global_orient, labels.mano.global_orient)  # (B, T)
        return self.weight * masked_mean(angle, labels.mano_valid)
