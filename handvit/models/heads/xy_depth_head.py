"""Place the wrist: sideways by heatmaps, in depth by bins."""

from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from handvit.models.heads.root_range import RootRange
from handvit.models.layers import Bins, LineHeatmap, MultiBin, soft_argmax
from handvit.registry import MODELS
from handvit.structures import HandCrops

_REACH = 5.0  # standard deviations on either side of the mean
_DEPTH_REACH = 3.0  # likewise; residuals reach beyond


class XyDepth(NamedTuple):
    """What ``XyDepthHead`` says about the wrist."""

    root_cam: Tensor  # (..., 3) metres
    depth_std: Tensor  # (...) metres
    x_logits: Tensor  # (..., K) over mean +- 5 standard deviations
    y_logits: Tensor  # (..., K)
    depth: Bins  # of z, in standard deviations


@MODELS.register_module()
class XyDepthHead(nn.Module):
    """One-dimensional heatmaps for x and y, multi-bin for the root depth z.

    All three run over the training data's wrists, in metres or, with a ``HandSizeUnit``
    (``norm_by_hand``), in sizes of the predicted hand.
    """

    def __init__(
        self,
        dim: int,
        *,
        statistics: str | Path | dict[str, Any],
        heatmap_loss: dict[str, Any],
        bin_loss: dict[str, Any],
        unit: dict[str, Any] | None = None,
        num_cells: int = 512,
        num_bins: int = 8,
    ) -> None:
        """Set up the heatmaps and the bins.

        Args:
            dim: token width.
            statistics: of the training data: a file, or its content.
            heatmap_loss: a ``HeatmapCELoss`` in standard deviations.
            bin_loss: a ``MultiBinLoss`` in standard deviations.
            unit: a ``MetreUnit`` (when omitted) or ``HandSizeUnit``.
            num_cells: of either heatmap.
            num_bins: of the depth, over mean +- 3 standard deviations.
        """
        super().__init__()
        self.range = RootRange(statistics, unit=unit)
        self.x_heatmap = LineHeatmap(dim, low=-_REACH, high=_REACH, num_cells=num_cells)
        self.y_heatmap = LineHeatmap(dim, low=-_REACH, high=_REACH, num_cells=num_cells)
        self.bins = MultiBin(dim, low=-_DEPTH_REACH, high=_DEPTH_REACH, num_bins=num_bins)
        self.heatmap_loss = MODELS.build(heatmap_loss)
        self.bin_loss = MODELS.build(bin_loss)

    def forward(self, token: Tensor, crops: HandCrops, keypoints_rel: Tensor) -> XyDepth:
        """Place the wrist of each crop; token (B, T, D), keypoints_rel (B, T, 21, 3) metres."""
        x_logits, y_logits = self.x_heatmap(token), self.y_heatmap(token)
        depth = self.bins(token)
        x = soft_argmax(x_logits, self.x_heatmap.cells)
        y = soft_argmax(y_logits, self.y_heatmap.cells)
        place = torch.cat([x, y, depth.mean[..., None]], -1)  # (B, T, 3) deviations
        root_cam, depth_std = self.range.place(place, depth.std, keypoints_rel, crops.labels)
        return XyDepth(root_cam, depth_std, x_logits, y_logits, depth)

    def loss(self, root: XyDepth, crops: HandCrops) -> dict[str, Tensor]:
        """Return the head's terms, where the camera is real and the wrist is labelled."""
        place, valid = self.range.target(crops.labels)
        xy, z = place[..., :2].clamp(-_REACH, _REACH), place[..., 2]
        heatmap_x = self.heatmap_loss(root.x_logits, self.x_heatmap.cells, xy[..., :1], valid)
        heatmap_y = self.heatmap_loss(root.y_logits, self.y_heatmap.cells, xy[..., 1:], valid)
        terms = self.bin_loss(root.depth, self.bins.index(z), z, valid)
        return {"loss_root_heatmap": heatmap_x + heatmap_y, **terms}
