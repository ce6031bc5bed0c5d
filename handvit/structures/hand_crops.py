"""Hold what the model receives: square crops, their cameras, and labels in the same camera."""

from typing import NamedTuple

from torch import Tensor

from handvit.structures.hand_batch import HandLabels
from handvit.structures.hand_tokens import HandTokens


class HandCrops(NamedTuple):
    """Crops of right (or mirrored left) hands.

    ``labels`` live in the *virtual camera* that the crop was cut from: the stored image's camera
    after mirroring and geometric augmentation. Crop and virtual camera share their axes and
    origin, so ``*_cam`` values hold for both.
    """

    crop: Tensor  # (B, T, 3, S, S) normalised
    crop_bbox_xyxy: Tensor  # (B, T, 4) px of the virtual camera, square
    focal_crop: Tensor  # (B, T, 2) px of the crop
    princpt_crop: Tensor  # (B, T, 2) px of the crop
    keypoints_crop: Tensor  # (B, T, 21, 2) px of the crop
    is_mirrored: Tensor  # (B, T) bool
    labels: HandLabels
    tokens: HandTokens | None = None  # (B, T, ...) after the neck, where a cache has them

    def last_frame(self) -> "HandCrops":
        """Keep the predicted frame only, ``(B, T, ...)`` to ``(B, 1, ...)``, without tokens."""
        *tensors, labels, _ = self
        return HandCrops(*(tensor[:, -1:] for tensor in tensors), labels.last_frame())

    def with_float_tokens(self) -> "HandCrops":
        """Give tokens that a cache keeps in 16 bits the dtype that the model computes with."""
        if self.tokens is None:
            return self
        tokens = self.tokens
        prefix, patches = tokens.prefix.float(), tokens.patches.float()
        return self._replace(tokens=tokens._replace(prefix=prefix, patches=patches))
