"""Place the wrist by one heatmap for each axis of camera space."""

from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from handvit.models.heads.root_range import RootRange
from handvit.models.layers import LineHeatmap, heatmap_std, soft_argmax
from handvit.registry import MODELS
from handvit.structures import HandCrops

_REACH = 5.0  # standard deviations on either side of the mean


class SoftArgmax3D(NamedTuple):
    """What ``SoftArgmax3DHead`` says about the wrist."""

    root_cam: Tensor  # (..., 3) metres
    depth_std: Tensor  # (...) metres
    x_logits: Tensor  # (..., K) over mean +- 5 standard deviations
    y_logits: Tensor  # (..., K)
    z_logits: Tensor  # (..., K)


@MODELS.register_module()
class SoftArgmax3DHead(nn.Module):
    """Take the expected place (Sun et al. 2018, eq. 2) of three one-dimensional heatmaps.

    They reach over the mean +- 5 standard deviations of the training data's wrists, in metres or,
    with a ``HandSizeUnit`` (``norm_by_hand``), in sizes of the predicted hand.
    """

    def __init__(
        self,
        dim: int,
        *,
        statistics: str | Path | dict[str, Any],
        heatmap_loss: dict[str, Any],
        unit: dict[str, Any] | None = None,
        num_cells: tuple[int, int, int] = (512, 512, 1024),
    ) -> None:
        """Set up the heatmaps.

        Args:
            dim: token width.
            statistics: of the training data: a file, or its content.
            heatmap_loss: a ``HeatmapCELoss`` in standard deviations.
            unit: a ``MetreUnit`` (when omitted) or ``HandSizeUnit``.
            num_cells: of the x, y and z heatmaps.
        """
        super().__init__()
        self.range = RootRange(statistics, unit=unit)
        self.heatmaps = nn.ModuleList(
            LineHeatmap(dim, low=-_REACH, high=_REACH, num_cells=count) for count in num_cells
        )
        self.heatmap_loss = MODELS.build(heatmap_loss)

    def forward(self, token: Tensor, crops: HandCrops, keypoints_rel: Tensor) -> SoftArgmax3D:
        """Place the wrist of each crop; token (B, T, D), keypoints_rel (B, T, 21, 3) metres."""
        logits = [heatmap(token) for heatmap in self.heatmaps]
        pairs = [(axis, heatmap.cells) for axis, heatmap in zip(logits, self.heatmaps, strict=True)]
        place = torch.cat([soft_argmax(*pair) for pair in pairs], -1)  # (B, T, 3) deviations
        depth_std = heatmap_std(*pairs[2])[..., 0]  # (B, T) deviations
        return SoftArgmax3D(
            *self.range.place(place, depth_std, keypoints_rel, crops.labels), *logits
        )

    def loss(self, root: SoftArgmax3D, crops: HandCrops) -> dict[str, Tensor]:
        """Return the sum over the axes, where the camera is real and the wrist is labelled."""
        place, valid = self.range.target(crops.labels)
        place = place.clamp(-_REACH, _REACH)
        logits = (root.x_logits, root.y_logits, root.z_logits)
        terms = [
            self.heatmap_loss(logits[axis], heatmap.cells, place[..., axis : axis + 1], valid)
            for axis, heatmap in enumerate(self.heatmaps)
        ]
        return {"loss_root_heatmap": sum(terms)}
