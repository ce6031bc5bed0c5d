"""Place the wrist: its pixel by a heatmap, its distance by bins around a prior."""

from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from handvit.geometry.box_prior import LOG_RATIO_RANGE, box_prior
from handvit.geometry.camera import unit_rays
from handvit.models.heads.length_unit import length_of_unit
from handvit.models.layers import Bins, MultiBin, PlaneHeatmap, soft_argmax
from handvit.models.losses.routing import root_valid
from handvit.registry import MODELS
from handvit.structures import HandCrops, HandLabels, HandStatistics
from handvit.structures.skeleton import WRIST

_SPAN = (-0.25, 1.25)  # of the heatmap, in crop sides: a wrist may lie outside the crop


class UvDistance(NamedTuple):
    """What ``UvDistanceHead`` says about the wrist."""

    root_cam: Tensor  # (..., 3) metres
    depth_std: Tensor  # (...) metres
    uv_logits: Tensor  # (..., K) of the heatmap of the wrist's pixel
    log_ratio: Bins  # log(distance / prior)


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
        heatmap_loss: dict[str, Any],
        bin_loss: dict[str, Any],
        unit: dict[str, Any] | None = None,
        statistics: str | Path | dict[str, Any] | None = None,
        prior_scale: float | None = None,
        cells_per_side: int = 32,
        num_bins: int = 8,
    ) -> None:
        """Set up the heatmap and the bins.

        Args:
            dim: token width.
            heatmap_loss: a ``HeatmapCELoss`` in crop sides.
            bin_loss: a ``MultiBinLoss`` of log distance.
            unit: of the prior: a ``MetreUnit`` (when omitted) or ``HandSizeUnit``.
            statistics: of the training data (a file, or its content); they tell k of the prior, the
                size of a hand as its box shows it.
            prior_scale: k itself, in units, when there are no statistics.
            cells_per_side: of the heatmap.
            num_bins: over log(distance / prior) in [-0.71, 0.75].

        Raises:
            ValueError: not exactly one of ``statistics`` and ``prior_scale`` is given.
        """
        super().__init__()
        if (statistics is None) == (prior_scale is None):
            raise ValueError(
                "UvDistanceHead: give either statistics='FILE' or prior_scale, in metres (0.12 for"
                " MANO's average hand) or in hand sizes"
            )
        self.unit = MODELS.build(unit or dict(type="MetreUnit"))
        if statistics is not None:
            prior_scale = self.unit.prior_scale(HandStatistics.load(statistics))
        self.register_buffer("prior_scale", torch.tensor(float(prior_scale)))
        low, high = _SPAN
        self.heatmap = PlaneHeatmap(dim, low=low, high=high, cells_per_side=cells_per_side)
        low, high = LOG_RATIO_RANGE
        self.bins = MultiBin(dim, low=low, high=high, num_bins=num_bins)
        self.heatmap_loss = MODELS.build(heatmap_loss)
        self.bin_loss = MODELS.build(bin_loss)

    def forward(self, token: Tensor, crops: HandCrops, keypoints_rel: Tensor) -> UvDistance:
        """Place the wrist of each crop; token (B, T, D), keypoints_rel (B, T, 21, 3) metres."""
        uv_logits, log_ratio = self.heatmap(token), self.bins(token)
        uv = soft_argmax(uv_logits, self.heatmap.cells)  # (B, T, 2) crop sides
        root_crop = uv * crops.crop.shape[-1] - 0.5  # (B, T, 2) px
        ray = unit_rays(root_crop[..., None, :], crops.focal_crop, crops.princpt_crop)[..., 0, :]
        unit = length_of_unit(self.unit, keypoints_rel, crops.labels)
        prior = prior_distance(crops.labels, self.prior_scale) * unit
        distance = prior * log_ratio.mean.exp()  # (B, T)
        return UvDistance(
            root_cam=distance[..., None] * ray,
            depth_std=distance * log_ratio.std * ray[..., 2],
            uv_logits=uv_logits,
            log_ratio=log_ratio,
        )

    def loss(self, root: UvDistance, crops: HandCrops) -> dict[str, Tensor]:
        """Return the head's own loss terms; the distance only where the camera is real."""
        labels = crops.labels
        place = (crops.keypoints_crop[..., WRIST, :] + 0.5) / crops.crop.shape[-1]
        heatmap = self.heatmap_loss(
            root.uv_logits,
            self.heatmap.cells,
            place.clamp(*_SPAN),
            labels.keypoints_img_valid[..., WRIST],
        )

        # The labelled hand tells its own unit.
        prior = prior_distance(labels, self.prior_scale) * self.unit(labels.keypoints_cam)
        distance = labels.keypoints_cam[..., WRIST, :].norm(dim=-1).clamp_min(1e-3)
        wanted = (distance / prior.clamp_min(1e-6)).log()  # (B, T)
        known = root_valid(labels) & self.unit.valid(labels.keypoints_cam_valid)
        index = self.bins.index(wanted)
        terms = self.bin_loss(root.log_ratio, index, wanted, known)
        return {"loss_root_heatmap": heatmap, **terms}


def prior_distance(labels: HandLabels, scale: float | Tensor) -> Tensor:
    """Guess the wrist's distance from the hand's box, (B, T), in the unit of ``scale``."""
    return scale * box_prior(labels.bbox_xyxy, labels.focal, labels.princpt).norm(dim=-1)
