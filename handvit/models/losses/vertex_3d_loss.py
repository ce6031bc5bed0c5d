"""Ask for the right mesh relative to the wrist."""

from torch import Tensor, nn

from handvit.models.losses.functional import masked_mean, point_l1
from handvit.registry import MODELS
from handvit.structures import HandPrediction, HandTarget


@MODELS.register_module()
class Vertex3DLoss(nn.Module):
    """L1 on ``vertices_rel`` where MANO parameters are labelled."""

    def __init__(self, *, weight: float) -> None:
        """Set the weight, per metre."""
        super().__init__()
        self.weight = weight

    def forward(self, pred: HandPrediction, target: HandTarget) -> Tensor:
        """Return the weighted scalar."""
        error = point_l1(pred.vertices_rel, target.vertices_rel).mean(-1)  # (B, T)
        return self.weight * masked_mean(error, target.crops.labels.mano_valid)
