"""Ask for the right hand shape."""

from typing import Any

from torch import Tensor, nn

from handvit.models.losses.functional import fill_unlabelled, masked_mean
from handvit.registry import MODELS
from handvit.structures import HandPrediction, HandTarget


@MODELS.register_module()
class ManoShapeLoss(nn.Module):
    """Distance of ``betas`` where MANO parameters are labelled."""

    def __init__(self, *, weight: float, distance: dict[str, Any] | None = None) -> None:
        """Choose weight and distance.

        Args:
            weight: per standard deviation of shape; the distance is divided by the 10 betas.
            distance: of points, here (..., 10); ``L1Distance`` when omitted.
        """
        super().__init__()
        self.weight = weight
        self.distance = MODELS.build(distance or dict(type="L1Distance"))

    def forward(self, pred: HandPrediction, target: HandTarget) -> Tensor:
        """Return the weighted scalar."""
        labels = target.crops.labels
        betas = pred.mano.betas
        gt = fill_unlabelled(labels.mano.betas, betas, labels.mano_valid)
        error = self.distance(betas, gt) / betas.shape[-1]  # (B, T)
        return self.weight * masked_mean(error, labels.mano_valid)
