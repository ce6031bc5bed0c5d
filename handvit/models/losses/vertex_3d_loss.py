"""Ask for the right mesh relative to the wrist."""

from typing import Any

from torch import Tensor, nn

from handvit.models.losses.functional import fill_unlabelled, masked_mean
from handvit.registry import MODELS
from handvit.structures import HandPrediction, HandTarget


@MODELS.register_module()
class Vertex3DLoss(nn.Module):
    """Distance of ``vertices_rel`` where MANO parameters are labelled."""

    def __init__(self, *, weight: float, distance: dict[str, Any] | None = None) -> None:
        """Set the weight, per metre, and the distance of points (L1 when omitted)."""
        super().__init__()
        self.weight = weight
        self.distance = MODELS.build(distance or dict(type="L1Distance"))

    def forward(self, pred: HandPrediction, target: HandTarget) -> Tensor:
        """Return the weighted scalar."""
        valid = target.crops.labels.mano_valid
        gt = fill_unlabelled(target.vertices_rel, pred.vertices_rel, valid)
        error = self.distance(pred.vertices_rel, gt).mean(-1)  # (B, T)
        return self.weight * masked_mean(error, valid)
