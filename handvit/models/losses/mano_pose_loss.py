"""Ask for the right finger rotations."""

from torch import Tensor, nn

from handvit.models.losses.functional import masked_mean, rotation_l1
from handvit.registry import MODELS
from handvit.structures import HandPrediction, HandTarget


@MODELS.register_module()
class ManoPoseLoss(nn.Module):
    """L1 on the matrices of ``hand_pose`` where MANO parameters are labelled."""

    def __init__(self, *, weight: float) -> None:
        """Set the weight, per summed matrix element, averaged over the 15 joints."""
        super().__init__()
        self.weight = weight

    def forward(self, pred: HandPrediction, target: HandTarget) -> Tensor:
        """Return the weighted scalar."""
        labels = target.crops.labels
        error = rotation_l1(pred.mano.hand_pose, labels.mano.hand_pose).mean(-1)  # (B, T)
        return self.weight * masked_mean(error, labels.mano_valid)
