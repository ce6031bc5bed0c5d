"""Cut the model's input out of stored images, on the device."""

from typing import Any

import torch
from mmengine.model import BaseDataPreprocessor
from torch import Tensor, nn

from handvit.geometry.boxes import square_bbox
from handvit.geometry.image_warp import (
    apply_homography,
    crop_camera,
    crop_homography,
    warp_image,
)
from handvit.preprocessing.geometric_augmentation import AugmentedLabels
from handvit.preprocessing.label_transforms import mirror_to_right
from handvit.registry import MODELS
from handvit.structures import HandBatch, HandCrops, HandLabels


@MODELS.register_module()
class HandDataPreprocessor(BaseDataPreprocessor):
    """Turn a ``HandBatch`` into ``HandCrops``: mirror, augment, crop, normalise.

    All geometry is composed into one homography a frame, so the pixels are resampled once.
    Augmentation runs in training only.
    """

    def __init__(
        self,
        *,
        crop_size: int,
        expand: float,
        mean: tuple[float, float, float],
        std: tuple[float, float, float],
        geometric: dict[str, Any] | nn.Module | None = None,
        pixel: dict[str, Any] | nn.Module | None = None,
    ) -> None:
        """Set up the steps.

        Args:
            crop_size: side of the crop in px.
            expand: side of the crop over the longer side of the tight hand box.
            mean: of RGB in [0, 1]; likewise ``std``.
            geometric: a ``GeometricAugmentation``, or None for no change.
            pixel: a ``PixelAugmentation``, or None for no change.
        """
        super().__init__()
        self.crop_size = crop_size
        self.expand = expand
        self.geometric = MODELS.build(geometric) if geometric else None
        self.pixel = MODELS.build(pixel) if pixel else None
        self.register_buffer("mean", torch.tensor(mean).view(3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(std).view(3, 1, 1), persistent=False)

    @torch.no_grad()
    def forward(self, data: HandBatch | HandCrops, training: bool = False) -> dict[str, HandCrops]:
        """Return ``{'crops': HandCrops}``, which MMEngine unpacks into the model's forward.

        What a token cache gives has been cut already.
        """
        batch = self.cast_data(data)
        if isinstance(batch, HandCrops):
            return {"crops": batch.with_float_tokens()}
        with torch.autocast(self.mean.device.type, enabled=False):
            chosen = self.choose_cameras(batch, training)
            return {"crops": self.cut(batch.image, chosen, training)}

    def choose_cameras(self, batch: HandBatch, training: bool) -> AugmentedLabels:
        """Mirror left hands, then augment: return labels and images in one camera a clip."""
        width = batch.image_size[..., 0].to(batch.labels.bbox_xyxy)
        labels, mirroring = mirror_to_right(batch.labels, width)
        chosen = self._augment(labels, training)
        return chosen._replace(homography=chosen.homography @ mirroring)

    def cut(self, image: Tensor, chosen: AugmentedLabels, training: bool) -> HandCrops:
        """Resample the pixels once: everything before and the cut in one homography.

        Args:
            image: (B, T, 3, H, W) uint8, of the same frames as the labels.
            chosen: what ``choose_cameras`` returned.
        """
        labels = chosen.labels
        bbox = square_bbox(labels.bbox_xyxy, self.expand * chosen.crop_scale)
        cut = crop_homography(bbox, self.crop_size)
        crop = self._warp(image, cut @ chosen.homography)
        if training and self.pixel is not None:
            crop = self.pixel(crop)

        focal_crop, princpt_crop = crop_camera(labels.focal, labels.princpt, bbox, self.crop_size)
        return HandCrops(
            crop=(crop - self.mean) / self.std,
            crop_bbox_xyxy=bbox,
            focal_crop=focal_crop,
            princpt_crop=princpt_crop,
            keypoints_crop=apply_homography(cut, labels.keypoints_img),
            is_mirrored=~labels.is_right,
            labels=labels,
        )

    def _augment(self, labels: HandLabels, training: bool) -> AugmentedLabels:
        if training and self.geometric is not None:
            return self.geometric(labels)
        B, T = labels.is_right.shape
        identity = torch.eye(3, device=self.mean.device).expand(B, T, 3, 3)
        return AugmentedLabels(labels, identity, torch.ones(B, T, device=self.mean.device))

    def _warp(self, image: Tensor, homography: Tensor) -> Tensor:
        B, T = image.shape[:2]
        pixels = image.flatten(0, 1).float() / 255  # (B*T, 3, H, W)
        crop = warp_image(pixels, homography.flatten(0, 1), self.crop_size)
        return crop.unflatten(0, (B, T))  # (B, T, 3, S, S)
