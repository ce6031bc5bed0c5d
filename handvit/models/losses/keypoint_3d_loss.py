"""Ask for the right keypoints relative to the wrist."""

from torch import Tensor, nn

from handvit.models.losses.functional import masked_mean, point_l1
from handvit.registry import MODELS
from handvit.structures import HandPrediction, HandTarget
from handvit.structures.skeleton import WRIST


@MODELS.register_module()
class Keypoint3DLoss(nn.Module):
    """L1 on ``keypoints_rel``; a hand whose wrist has no label has no relative labels."""

    def __init__(self, *, weight: float) -> None:
        """Set the weight, per metre."""
        super().__init__()
        self.weight = weight

    def forward(self, pred: HandPrediction, target: HandTarget) -> Tensor:
        """Return the weighted scalar."""
        labels = target.crops.labels
        wrist = labels.keypoints_cam[..., WRIST : WRIST + 1, :]
        valid = labels.keypoints_cam_valid & labels.keypoints_cam_valid[..., WRIST, None]
        error = point_l1(pred.keypoints_rel, labels.keypoints_cam - wrist)  # (B, T, 21)
        return self.weight * masked_mean(error, valid)
