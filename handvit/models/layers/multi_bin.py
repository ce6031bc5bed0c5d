"""Say how large something is by a class and a residual (Mousavian et al. 2017, sec. 4.1)."""

from typing import NamedTuple

from torch import Tensor, nn

from handvit.models.layers.heatmap import cell_centers

_LOG_REACH = 4.0  # spreads lie within factors of e^4 around the width of a bin


class Bins(NamedTuple):
    """Hold the chances of bins over an interval, and the value that each stands for."""

    logits: Tensor  # (..., bins)
    values: Tensor  # (..., bins) middle of the bin plus its residual
    spreads: Tensor  # (..., bins) standard deviation around the value, inside the bin

    @property
    def mean(self) -> Tensor:
        """Expected value, (...)."""
        return (self.logits.softmax(-1) * self.values).sum(-1)

    @property
    def std(self) -> Tensor:
        """Standard deviation of the mixture, (...): inside bins and between them."""
        offset = self.values - self.mean[..., None]
        variance = self.logits.softmax(-1) * (self.spreads.square() + offset.square())
        return variance.sum(-1).sqrt()


class MultiBin(nn.Module):
    """Read bins and residuals off a token; the untrained layer says the middle of the interval."""

    def __init__(self, dim: int, *, low: float, high: float, num_bins: int) -> None:
        """Set up equal bins over [low, high], any unit.

        Raises:
            ValueError: the interval or the number of bins is empty.
        """
        super().__init__()
        if num_bins < 1 or low >= high:
            raise ValueError(f"multi-bin: {num_bins} bins over [{low}, {high}] are none")
        self.low = low
        self.width = (high - low) / num_bins
        self.linear = nn.Linear(dim, 2 * num_bins)
        self.to_spreads = nn.utils.skip_init(nn.Linear, dim, num_bins)
        for layer in (self.linear, self.to_spreads):
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)
        self.register_buffer("centers", cell_centers(low, high, num_bins), persistent=False)

    def forward(self, token: Tensor) -> Bins:
        """Return the bins of a token (..., D); the layer's residuals are in bin widths.

        Spreads only watch: their loss trains their own layer, not what the token says.
        """
        logits, residuals = self.linear(token).chunk(2, -1)  # (..., bins) each
        log_spreads = _LOG_REACH * (self.to_spreads(token.detach()) / _LOG_REACH).tanh()
        return Bins(logits, self.centers + residuals * self.width, self.width * log_spreads.exp())

    def index(self, value: Tensor) -> Tensor:
        """Return which bin a value belongs to, (...) int64; the ends take what lies beyond."""
        place = ((value - self.low) / self.width).floor()
        return place.clamp(0, len(self.centers) - 1).long()
