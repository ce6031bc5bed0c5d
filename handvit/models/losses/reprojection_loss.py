"""Ask for keypoints that project to the labelled pixels."""

import torch
from torch import Tensor, nn

from handvit.geometry.camera import project
from handvit.models.losses.functional import masked_mean, robust_point_l1
from handvit.registry import MODELS
from handvit.structures import HandPrediction, HandTarget

_DELTA = 84.0  # px of the crop: beyond it the loss grows like a logarithm
_MIN_DEPTH = 0.01  # metres: an untrained model may put a finger behind the camera


@MODELS.register_module()
class ReprojectionLoss(nn.Module):
    """Robust L1 in the crop's pixels, by the crop's camera."""

    def __init__(self, *, weight: float) -> None:
        """Set the weight, per pixel of the crop."""
        super().__init__()
        self.weight = weight

    def forward(self, pred: HandPrediction, target: HandTarget) -> Tensor:
        """Return the weighted scalar."""
        crops = target.crops
        in_plane, depth = pred.keypoints_cam[..., :2], pred.keypoints_cam[..., 2:]
        points = torch.cat([in_plane, depth.clamp_min(_MIN_DEPTH)], -1)
        pixels = project(points, crops.focal_crop, crops.princpt_crop)  # (B, T, 21, 2)
        error = robust_point_l1(pixels, crops.keypoints_crop, _DELTA)  # (B, T, 21)
        return self.weight * masked_mean(error, crops.labels.keypoints_img_valid)
