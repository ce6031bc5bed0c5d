"""Ask for bones of the right length, whatever the pose."""

from torch import Tensor, nn

from handvit.models.losses.functional import masked_mean
from handvit.registry import MODELS
from handvit.structures import HandPrediction, HandTarget
from handvit.structures.skeleton import BONES

_PARENTS, _CHILDREN = (list(ends) for ends in zip(*BONES, strict=True))


@MODELS.register_module()
class BoneLengthLoss(nn.Module):
    """L1 between the lengths of predicted and labelled bones."""

    def __init__(self, *, weight: float) -> None:
        """Set the weight, per metre."""
        super().__init__()
        self.weight = weight

    def forward(self, pred: HandPrediction, target: HandTarget) -> Tensor:
        """Return the weighted scalar."""
        labels = target.crops.labels
        valid = labels.keypoints_cam_valid
        valid = valid[..., _PARENTS] & valid[..., _CHILDREN]  # (B, T, 20)
        error = (bone_lengths(pred.keypoints_cam) - bone_lengths(labels.keypoints_cam)).abs()
        return self.weight * masked_mean(error, valid)


def bone_lengths(keypoints: Tensor) -> Tensor:
    """Return the lengths of the 20 bones, (..., 21, 3) -> (..., 20) metres."""
    return (keypoints[..., _CHILDREN, :] - keypoints[..., _PARENTS, :]).norm(dim=-1)
