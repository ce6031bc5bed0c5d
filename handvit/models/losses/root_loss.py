"""Ask for the right place of the wrist in camera space."""

from typing import Any

from torch import Tensor, nn

from handvit.models.losses.functional import fill_unlabelled, masked_mean
from handvit.models.losses.routing import root_valid
from handvit.registry import MODELS
from handvit.structures import HandPrediction, HandTarget
from handvit.structures.skeleton import WRIST


@MODELS.register_module()
class RootLoss(nn.Module):
    """Distance of ``root_cam``, only where the camera is real and the wrist is labelled."""

    def __init__(self, *, weight: float, distance: dict[str, Any] | None = None) -> None:
        """Set the weight, per metre, and the distance of points (L1 when omitted)."""
        super().__init__()
        self.weight = weight
        self.distance = MODELS.build(distance or dict(type="L1Distance"))

    def forward(self, pred: HandPrediction, target: HandTarget) -> Tensor:
        """Return the weighted scalar."""
        labels = target.crops.labels
        valid = root_valid(labels)
        gt = fill_unlabelled(labels.keypoints_cam[..., WRIST, :], pred.root_cam, valid)
        return self.weight * masked_mean(self.distance(pred.root_cam, gt), valid)
