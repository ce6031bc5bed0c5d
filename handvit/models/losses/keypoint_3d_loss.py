"""Ask for the right keypoints relative to the wrist."""

from typing import Any

from torch import Tensor, nn

from handvit.models.losses.functional import fill_unlabelled, masked_mean
from handvit.registry import MODELS
from handvit.structures import HandPrediction, HandTarget
from handvit.structures.skeleton import WRIST


@MODELS.register_module()
class Keypoint3DLoss(nn.Module):
    """Distance of ``keypoints_rel``; a hand whose wrist has no label has no relative labels."""

    def __init__(self, *, weight: float, distance: dict[str, Any] | None = None) -> None:
        """Set the weight, per metre, and the distance of points (L1 when omitted)."""
        super().__init__()
        self.weight = weight
        self.distance = MODELS.build(distance or dict(type="L1Distance"))

    def forward(self, pred: HandPrediction, target: HandTarget) -> Tensor:
        """Return the weighted scalar."""
        labels = target.crops.labels
        wrist = labels.keypoints_cam[..., WRIST : WRIST + 1, :]
        valid = labels.keypoints_cam_valid & labels.keypoints_cam_valid[..., WRIST, None]
        gt = fill_unlabelled(labels.keypoints_cam - wrist, pred.keypoints_rel, valid)
        error = self.distance(pred.keypoints_rel, gt)  # (B, T, 21)
        return self.weight * masked_mean(error, valid)
