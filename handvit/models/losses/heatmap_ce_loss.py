"""Ask for a heatmap that peaks at the right place."""

from torch import Tensor, nn

from handvit.models.losses.functional import masked_mean
from handvit.registry import MODELS


@MODELS.register_module()
class HeatmapCELoss(nn.Module):
    """Cross-entropy to a Gaussian blob on a line or a plane; for heads that draw heatmaps."""

    def __init__(self, *, weight: float, std: float) -> None:
        """Set weight and blob.

        Args:
            weight: per nat.
            std: of the blob, in the unit of the heatmap's cells.

        Raises:
            ValueError: ``std`` is not positive.
        """
        super().__init__()
        if std <= 0:
            raise ValueError(f"HeatmapCELoss: std={std} must be positive, in the cells' unit")
        self.weight = weight
        self.std = std

    def forward(self, logits: Tensor, cells: Tensor, place: Tensor, valid: Tensor) -> Tensor:
        """Return the weighted scalar.

        Args:
            logits: (..., K).
            cells: (K, C) middles of the cells.
            place: (..., C) where the blob is, in the cells' unit.
            valid: (...) bool.
        """
        error = heatmap_cross_entropy(logits, cells, place, self.std)
        return self.weight * masked_mean(error, valid)


def heatmap_cross_entropy(logits: Tensor, cells: Tensor, place: Tensor, std: float) -> Tensor:
    """Return the cross-entropy of softmax(logits) to a blob, in nats, (...).

    The blob is a Gaussian at ``place`` (..., C), sampled at the cells (K, C) and normalised.
    """
    squared = ((cells - place[..., None, :]) / std).square().sum(-1)  # (..., K)
    target = (-squared / 2).softmax(-1)
    return -(target * logits.log_softmax(-1)).sum(-1)
