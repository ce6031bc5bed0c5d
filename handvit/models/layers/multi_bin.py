"""Say how large something is by a class and a residual (Mousavian et al. 2017, sec. 4.1)."""

from typing import NamedTuple

from torch import Tensor, nn

from handvit.models.layers.heatmap import cell_centers


class Bins(NamedTuple):
    """Hold the chances of bins over an interval, and the value that each stands for."""

    logits: Tensor  # (..., bins)
    values: Tensor  # (..., bins) middle of the bin plus its residual

    @property
    def mean(self) -> Tensor:
        """Expected value, (...)."""
        return (self.logits.softmax(-1) * self.values).sum(-1)

    @property
    def std(self) -> Tensor:
        """Standard deviation, (...)."""
        variance = self.logits.softmax(-1) * (self.values - self.mean[..., None]).square()
        return variance.sum(-1).clamp_min(1e-12).sqrt()


class MultiBin(nn.Module):
    """Read bins and residuals off a token; the untrained layer says the middle of the interval."""

    def __init__(self, dim: int, *, low: float, high: float, num_bins: int) -> None:
        """Set up equal bins over [low, high], any unit."""
        super().__init__()
        self.low = low
        self.width = (high - low) / num_bins
        self.linear = nn.Linear(dim, 2 * num_bins)
        nn.init.zeros_(self.linear.weight)
        nn.init.zeros_(self.linear.bias)
        self.register_buffer("centers", cell_centers(low, high, num_bins), persistent=False)

    def forward(self, token: Tensor) -> Bins:
        """Return the bins of a token (..., D); the layer's residuals are in bin widths."""
        logits, residuals = self.linear(token).chunk(2, -1)  # (..., bins) each
        return Bins(logits, self.centers + residuals * self.width)

    def index(self, value: Tensor) -> Tensor:
        """Return which bin a value belongs to, (...) int64; the ends take what lies beyond."""
        place = ((value - self.low) / self.width).floor()
        return place.clamp(0, len(self.centers) - 1).long()
