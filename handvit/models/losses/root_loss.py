"""Ask for the right place of the wrist in camera space."""

from torch import Tensor, nn

from handvit.models.losses.functional import masked_mean, point_l1
from handvit.registry import MODELS
from handvit.structures import HandPrediction, HandTarget
from handvit.structures.skeleton import WRIST


@MODELS.register_module()
class RootLoss(nn.Module):
    """L1 on ``root_cam``, only where the camera is real and the wrist is labelled."""

    def __init__(self, *, weight: float) -> None:
        """Set the weight, per metre."""
        super().__init__()
        self.weight = weight

    def forward(self, pred: HandPrediction, target: HandTarget) -> Tensor:
        """Return the weighted scalar."""
        labels = target.crops.labels
        valid = labels.keypoints_cam_valid[..., WRIST] & labels.camera_valid
        error = point_l1(pred.root_cam, labels.keypoints_cam[..., WRIST, :])  # (B, T)
        return self.weight * masked_mean(error, valid)
