"""Ask for the right bin, and for the right value inside it."""

from torch import Tensor, nn

from handvit.models.layers import Bins
from handvit.models.losses.functional import masked_mean
from handvit.registry import MODELS


@MODELS.register_module()
class MultiBinLoss(nn.Module):
    """Cross-entropy of the bin, and L1 of the right bin's value; for heads that predict bins."""

    def __init__(self, *, bin_weight: float, residual_weight: float) -> None:
        """Set the weights.

        Args:
            bin_weight: per nat.
            residual_weight: per unit of the value.
        """
        super().__init__()
        self.bin_weight = bin_weight
        self.residual_weight = residual_weight

    def forward(
        self, bins: Bins, index: Tensor, wanted: Tensor, valid: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Return both weighted scalars.

        Args:
            bins: (..., bins).
            index: (...) the right bin, see ``MultiBin.index``.
            wanted: (...) the right value.
            valid: (...) bool.
        """
        index = index[..., None]
        cross_entropy = -bins.logits.log_softmax(-1).gather(-1, index)[..., 0]
        residual = (bins.values.gather(-1, index)[..., 0] - wanted).abs()
        return (
            self.bin_weight * masked_mean(cross_entropy, valid),
            self.residual_weight * masked_mean(residual, valid),
        )
