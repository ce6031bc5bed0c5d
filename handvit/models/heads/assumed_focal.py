"""Choose the focal length that a weak-perspective camera is turned into metres with."""

import torch
from torch import Tensor, nn

from handvit.registry import MODELS
from handvit.structures import HandCrops


@MODELS.register_module()
class TrueFocal(nn.Module):
    """Use the focal length of the camera that saw the crop."""

    def forward(self, crops: HandCrops) -> Tensor:
        """Return fx and fy, (B, T, 2) px of the crop."""
        return crops.focal_crop


@MODELS.register_module()
class FixedFocal(nn.Module):
    """Assume one focal length for every crop, as systems without intrinsics do.

    Depths are then in the assumed camera's metres, usually far too large. Terms that compare with
    metres or with the true camera, ``RootLoss`` and ``ReprojectionLoss``, contradict it.
    """

    def __init__(self, *, focal: float = 5000.0, image_size: int = 256) -> None:
        """Set the assumption: ``focal`` px for a crop of ``image_size`` px (HMR and HaMeR's).

        Raises:
            ValueError: one of them is not positive.
        """
        super().__init__()
        if focal <= 0 or image_size <= 0:
            raise ValueError(
                f"FixedFocal: focal={focal} and image_size={image_size} must be positive, in pixels"
            )
        self.focal_in_crops = focal / image_size

    def forward(self, crops: HandCrops) -> Tensor:
        """Return fx and fy, (B, T, 2) px of the crop."""
        return torch.full_like(crops.focal_crop, self.focal_in_crops * crops.crop.shape[-1])
