"""Ask for the right bin, the right value inside it, and an honest spread."""

import math

from torch import Tensor, nn

from handvit.models.layers import Bins
from handvit.models.losses.functional import masked_mean
from handvit.registry import MODELS


@MODELS.register_module()
class MultiBinLoss(nn.Module):
    """Cross-entropy of the bin, L1 of the right bin's value, likelihood of its spread.

    For heads that predict bins. The spread's term is the negative log-likelihood of a Laplace
    distribution around the right bin's value, which gets no gradient from it.
    """

    def __init__(
        self, *, bin_weight: float, residual_weight: float, spread_weight: float = 0.01
    ) -> None:
        """Set the weights.

        Args:
            bin_weight: per nat; likewise ``spread_weight``.
            residual_weight: per unit of the value.
        """
        super().__init__()
        self.bin_weight = bin_weight
        self.residual_weight = residual_weight
        self.spread_weight = spread_weight

    def forward(
        self, bins: Bins, index: Tensor, wanted: Tensor, valid: Tensor
    ) -> dict[str, Tensor]:
        """Return weighted scalars, named for a wrist.

        Args:
            bins: (..., bins).
            index: (...) the right bin, see ``MultiBin.index``.
            wanted: (...) the right value.
            valid: (...) bool.
        """
        index = index[..., None]
        cross_entropy = -bins.logits.log_softmax(-1).gather(-1, index)[..., 0]
        residual = (bins.values.gather(-1, index)[..., 0] - wanted).abs()
        scale = bins.spreads.gather(-1, index)[..., 0] / math.sqrt(2)
        likelihood = residual.detach() / scale + (2 * scale).log()
        return {
            "loss_root_bin": self.bin_weight * masked_mean(cross_entropy, valid),
            "loss_root_residual": self.residual_weight * masked_mean(residual, valid),
            "loss_root_spread": self.spread_weight * masked_mean(likelihood, valid),
        }
