"""Place the wrist: its pixel by a heatmap, its distance by bins around a prior."""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from handvit.geometry.box_prior import box_prior
from handvit.geometry.camera import unit_rays
from handvit.models.losses.functional import masked_mean
from handvit.registry import MODELS
from handvit.structures import HandCrops, HandLabels
from handvit.structures.skeleton import WRIST

_SPAN = (-0.25, 1.25)  # of the heatmap, in crop sides: a wrist may lie outside the crop
_HEATMAP_STD = 0.03  # of the target blob, in crop sides
_LOG_RANGE = (-0.71, 0.75)  # of log(distance / prior)


class UvDistance(NamedTuple):
    """What ``UvDistanceHead`` says about the wrist."""

    root_cam: Tensor  # (..., 3) metres
    distance_std: Tensor  # (...) metres
    uv_logits: Tensor  # (..., G*G) row-major over the heatmap
    bin_logits: Tensor  # (..., bins)
    log_ratio: Tensor  # (..., bins) log(distance / prior) that each bin stands for
    prior: Tensor  # (...) metres


@MODELS.register_module()
class UvDistanceHead(nn.Module):
    """2D soft-argmax for the wrist's pixel, multi-bin for its distance.

    The distance is ``prior * exp(r)`` with the prior of ``prior_distance`` and r from 8 bins, each
    a class with a residual; the wrist is that far along the ray through the pixel. All distances
    are Euclidean, not depths.
    """

    def __init__(
        self,
        dim: int,
        *,
        grid_size: int = 32,
        num_bins: int = 8,
        prior_scale: float = 0.121,
        heatmap_weight: float = 0.1,
        bin_weight: float = 0.1,
        residual_weight: float = 1.0,
    ) -> None:
        """Set up the heatmap and the bins.

        Args:
            dim: token width.
            grid_size: cells along each side of the heatmap.
            num_bins: over log(distance / prior) in [-0.71, 0.75].
            prior_scale: k of the prior, metres; the size of a hand as its box shows it.
            heatmap_weight: per nat; likewise ``bin_weight``.
            residual_weight: per unit of log distance.
        """
        super().__init__()
        self.prior_scale = prior_scale
        self.heatmap_weight = heatmap_weight
        self.bin_weight = bin_weight
        self.residual_weight = residual_weight
        self.heatmap = nn.Linear(dim, grid_size * grid_size)
        self.bins = nn.Linear(dim, 2 * num_bins)
        nn.init.zeros_(self.bins.weight)
        nn.init.zeros_(self.bins.bias)

        low, high = _SPAN
        line = low + (torch.arange(grid_size) + 0.5) / grid_size * (high - low)
        v, u = torch.meshgrid(line, line, indexing="ij")
        self.register_buffer("cells", torch.stack([u, v], -1).flatten(0, 1), persistent=False)
        low, high = _LOG_RANGE
        self.bin_width = (high - low) / num_bins
        centers = low + (torch.arange(num_bins) + 0.5) * self.bin_width
        self.register_buffer("bin_centers", centers, persistent=False)

    def forward(self, token: Tensor, crops: HandCrops) -> UvDistance:
        """Place the wrist of each crop; token (B, T, D)."""
        size = crops.crop.shape[-1]
        uv_logits = self.heatmap(token)  # (B, T, G*G)
        root_crop = (uv_logits.softmax(-1) @ self.cells) * size - 0.5  # (B, T, 2) px
        ray = unit_rays(root_crop[..., None, :], crops.focal_crop, crops.princpt_crop)[..., 0, :]

        bin_logits, residuals = self.bins(token).chunk(2, -1)  # (B, T, bins)
        log_ratio = self.bin_centers + residuals * self.bin_width
        probability = bin_logits.softmax(-1)
        mean = (probability * log_ratio).sum(-1)
        variance = (probability * (log_ratio - mean[..., None]) ** 2).sum(-1)
        prior = prior_distance(crops.labels, self.prior_scale)
        distance = prior * mean.exp()  # (B, T)
        return UvDistance(
            root_cam=distance[..., None] * ray,
            distance_std=distance * variance.clamp_min(1e-12).sqrt(),
            uv_logits=uv_logits,
            bin_logits=bin_logits,
            log_ratio=log_ratio,
            prior=prior,
        )

    def loss(self, root: UvDistance, crops: HandCrops) -> dict[str, Tensor]:
        """Return the head's own loss terms; the distance only where the camera is real."""
        labels = crops.labels
        pixel_valid = labels.keypoints_img_valid[..., WRIST]
        place_valid = labels.keypoints_cam_valid[..., WRIST] & labels.camera_valid
        heatmap = self._heatmap_loss(root, crops.keypoints_crop[..., WRIST, :], crops)
        bins, residual = self._distance_loss(root, labels.keypoints_cam[..., WRIST, :])
        return {
            "loss_root_heatmap": self.heatmap_weight * masked_mean(heatmap, pixel_valid),
            "loss_root_bin": self.bin_weight * masked_mean(bins, place_valid),
            "loss_root_residual": self.residual_weight * masked_mean(residual, place_valid),
        }

    def _heatmap_loss(self, root: UvDistance, root_crop: Tensor, crops: HandCrops) -> Tensor:
        """Cross-entropy to a Gaussian blob at the labelled pixel, (B, T)."""
        place = (root_crop + 0.5) / crops.crop.shape[-1]
        place = place.clamp(*_SPAN)[..., None, :]  # (B, T, 1, 2)
        squared = ((self.cells - place) / _HEATMAP_STD).square().sum(-1)  # (B, T, G*G)
        target = (-squared / 2).softmax(-1)
        return -(target * root.uv_logits.log_softmax(-1)).sum(-1)

    def _distance_loss(self, root: UvDistance, root_cam: Tensor) -> tuple[Tensor, Tensor]:
        """Cross-entropy of the bin, and the L1 error of the right bin's value, both (B, T)."""
        distance = root_cam.norm(dim=-1).clamp_min(1e-3)
        wanted = (distance / root.prior).log()
        place = (wanted - _LOG_RANGE[0]) / self.bin_width
        index = place.long().clamp(0, len(self.bin_centers) - 1)[..., None]  # (B, T, 1)
        cross_entropy = -root.bin_logits.log_softmax(-1).gather(-1, index)[..., 0]
        value = root.log_ratio.gather(-1, index)[..., 0]
        return cross_entropy, F.l1_loss(value, wanted, reduction="none")


def prior_distance(labels: HandLabels, scale: float) -> Tensor:
    """Guess the wrist's distance from the hand's box, (B, T) metres; ``scale`` in metres."""
    return scale * box_prior(labels.bbox_xyxy, labels.focal, labels.princpt).norm(dim=-1)
