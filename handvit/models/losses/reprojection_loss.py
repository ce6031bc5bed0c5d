"""Ask for keypoints that project to the labelled pixels."""

from typing import Any

import torch
from torch import Tensor, nn

from handvit.geometry.camera import project_in_front
from handvit.models.losses.functional import fill_unlabelled, masked_mean
from handvit.models.losses.routing import root_valid
from handvit.registry import MODELS
from handvit.structures import HandPrediction, HandTarget


@MODELS.register_module()
class ReprojectionLoss(nn.Module):
    """Distance in the crop's pixels, by the crop's camera.

    Hands whose distance in metres is unknown train pose, shape and direction here, but not how far
    away they are; ``routing.py`` says why.
    """

    def __init__(
        self,
        *,
        weight: float,
        distance: dict[str, Any] | None = None,
        hold: dict[str, Any] | None = None,
    ) -> None:
        """Choose weight and distance.

        Args:
            weight: per pixel of the crop.
            distance: of points; ``RobustL1Distance`` with delta 84 px when omitted.
            hold: what of an unknown root keeps still: ``HoldDistance`` (when omitted), or
                ``HoldDepth`` for translation heads that predict x, y and z separately.
        """
        super().__init__()
        self.weight = weight
        self.distance = MODELS.build(distance or dict(type="RobustL1Distance"))
        self.hold = MODELS.build(hold or dict(type="HoldDistance"))

    def forward(self, pred: HandPrediction, target: HandTarget) -> Tensor:
        """Return the weighted scalar."""
        crops = target.crops
        valid = crops.labels.keypoints_img_valid
        keypoints_cam = self._hold_unknown_roots(pred, root_valid(crops.labels))
        pixels = project_in_front(keypoints_cam, crops.focal_crop, crops.princpt_crop)
        gt = fill_unlabelled(crops.keypoints_crop, pixels, valid)
        return self.weight * masked_mean(self.distance(pixels, gt), valid)

    def _hold_unknown_roots(self, pred: HandPrediction, known: Tensor) -> Tensor:
        """Return the keypoints (B, T, 21, 3); the shift is zero and only changes the gradient."""
        shift = self.hold(pred.root_cam) - pred.root_cam  # (B, T, 3)
        return pred.keypoints_cam + torch.where(known[..., None], 0.0, shift)[..., None, :]
