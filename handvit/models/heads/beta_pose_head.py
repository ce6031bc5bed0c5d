"""Read finger angles off the decoder's token as distributions within the joints' limits."""

from pathlib import Path
from typing import Any, NamedTuple

import torch
from scipy.special import betaincinv
from torch import Tensor, nn
from torch.distributions import Beta

from handvit.geometry.rotation import (
    axis_angle_to_matrix,
    matrix_to_axis_angle,
    matrix_to_rotation_6d,
    mirror_rotation,
    rotation_6d_to_matrix,
)
from handvit.models.losses.functional import masked_mean
from handvit.registry import MODELS
from handvit.structures import HandCrops, HandStatistics

_ANGLES = (15, 3)  # axis-angle components of the finger joints
#: Means and labels keep this distance from the limits, as parts of the range, where the density
#: is zero or infinite.
_MARGIN = 1e-3
#: Above 2 no distribution has two peaks. At 1000 the standard deviation is 1.6 % of the range in
#: its middle, about what labels are worth; without an end, the density of an easy angle would
#: grow forever.
_MIN_CONCENTRATION, _MAX_CONCENTRATION = 2.0, 1000.0


class BetaPose(NamedTuple):
    """Hold rotations, and how sure the head is of each finger angle.

    A finger angle is ``low + (high - low) y`` with y ~ Beta(alpha, beta), in the parametrisation
    by mean and precision of Ferrari and Cribari-Neto (2004, eq. 4). The answer carries its limits,
    which are mirrored with a left hand.
    """

    rotations: Tensor  # (..., 16, 3, 3) wrist first; fingers at the mean angles
    mean: Tensor  # (..., 15, 3) of y, in (0, 1)
    concentration: Tensor  # (..., 15, 3) the paper's precision phi
    angle_std: Tensor  # (..., 15, 3) rad
    low: Tensor  # (..., 15, 3) rad
    high: Tensor  # (..., 15, 3) rad

    @property
    def alpha(self) -> Tensor:
        """First shape parameter, (..., 15, 3)."""
        return self.mean * self.concentration

    @property
    def beta(self) -> Tensor:
        """Second shape parameter, (..., 15, 3)."""
        return (1 - self.mean) * self.concentration

    def interval(self, level: float) -> tuple[Tensor, Tensor]:
        """Return the angles between which the central part of each distribution lies.

        Args:
            level: how much of the distribution is between, such as 0.9.

        Returns:
            Lower and upper end, (..., 15, 3) rad each, without gradients.
        """
        alpha, beta = (x.detach().cpu().double().numpy() for x in (self.alpha, self.beta))
        tail = (1 - level) / 2
        span = self.high - self.low
        lower, upper = (
            self.low + span * torch.as_tensor(betaincinv(alpha, beta, part)).to(span)
            for part in (tail, 1 - tail)
        )
        return lower, upper

    def mirrored(self) -> "BetaPose":
        """Give the mirror-image hand's answer: an axis-angle (x, y, z) becomes (x, -y, -z)."""
        turned = torch.tensor([False, True, True], device=self.mean.device)
        return BetaPose(
            mirror_rotation(self.rotations),
            torch.where(turned, 1 - self.mean, self.mean),
            self.concentration,
            self.angle_std,
            torch.where(turned, -self.high, self.low),
            torch.where(turned, -self.low, self.high),
        )


@MODELS.register_module()
class BetaPoseHead(nn.Module):
    """Regress a Beta distribution of each finger angle, and the wrist's rotation as 6D.

    The untrained head says the data's own mean and spread. Limits are saved with the weights.
    """

    low: Tensor  # (15, 3) rad
    high: Tensor  # (15, 3) rad

    def __init__(
        self, dim: int, *, statistics: str | Path | dict[str, Any], nll_weight: float = 0.1
    ) -> None:
        """Take limits and starting point from data.

        Args:
            dim: token width.
            statistics: of the training data, a file or its content.
            nll_weight: of the loss, per nat; the loss is averaged over the 45 angles.
        """
        super().__init__()
        self.nll_weight = nll_weight
        self.to_orient = nn.Linear(dim, 6)
        self.to_mean = nn.Linear(dim, 45)
        self.to_concentration = nn.Linear(dim, 45)
        for linear in (self.to_orient, self.to_mean, self.to_concentration):
            nn.init.normal_(linear.weight, std=1e-3)
        statistics = HandStatistics.load(statistics)
        for name, limit in (("low", statistics.pose_low), ("high", statistics.pose_high)):
            self.register_buffer(name, torch.from_numpy(limit).float())
        self.start_at(statistics)

    def start_at(self, statistics: HandStatistics) -> None:
        """Let the untrained head say mean and variance of the data, as far as limits allow."""
        wrist, *fingers = torch.from_numpy(statistics.pose_mean)
        variance = torch.from_numpy(statistics.pose_covariance).diagonal()[3:].view(_ANGLES)
        span = (self.high - self.low).double()
        mean = ((torch.stack(fingers) - self.low) / span).clamp(0.01, 0.99)
        concentration = mean * (1 - mean) * span.square() / variance - 1  # of that variance
        with torch.no_grad():
            self.to_orient.bias.copy_(matrix_to_rotation_6d(axis_angle_to_matrix(wrist)))
            self.to_mean.bias.copy_(_logit(mean, _MARGIN, 1 - _MARGIN).flatten())
            start = _logit(concentration.clamp(3, 500), _MIN_CONCENTRATION, _MAX_CONCENTRATION)
            self.to_concentration.bias.copy_(start.flatten())

    def forward(self, token: Tensor) -> BetaPose:
        """Return the distributions, and rotations at their means, of a token (..., D)."""
        mean = _between(_MARGIN, 1 - _MARGIN, self.to_mean(token).unflatten(-1, _ANGLES))
        concentration = _between(
            _MIN_CONCENTRATION,
            _MAX_CONCENTRATION,
            self.to_concentration(token).unflatten(-1, _ANGLES),
        )
        span = self.high - self.low
        orient = rotation_6d_to_matrix(self.to_orient(token))[..., None, :, :]  # (..., 1, 3, 3)
        fingers = axis_angle_to_matrix(self.low + span * mean)  # (..., 15, 3, 3)
        variance = mean * (1 - mean) / (concentration + 1)  # of y
        return BetaPose(
            torch.cat([orient, fingers], -3),
            mean,
            concentration,
            span * variance.sqrt(),
            self.low.expand_as(mean),
            self.high.expand_as(mean),
        )

    def loss(self, pose: BetaPose, crops: HandCrops) -> dict[str, Tensor]:
        """Return the negative log-likelihood of labelled fingers, nats of y."""
        labels = crops.labels
        angles = matrix_to_axis_angle(labels.mano.hand_pose)  # (B, T, 15, 3)
        y = ((angles - self.low) / (self.high - self.low)).clamp(_MARGIN, 1 - _MARGIN)
        log_density = Beta(pose.alpha, pose.beta, validate_args=False).log_prob(y)
        nll = masked_mean(-log_density.mean((-2, -1)), labels.mano_valid)
        return {"loss_hand_pose_nll": self.nll_weight * nll}


def _between(low: float, high: float, x: Tensor) -> Tensor:
    """Squeeze any number into (low, high)."""
    return low + (high - low) * x.sigmoid()


def _logit(value: Tensor, low: float, high: float) -> Tensor:
    """Invert ``_between``."""
    return ((value - low) / (high - low)).logit()
