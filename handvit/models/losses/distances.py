"""Choose how a loss measures: how far apart two points are, or two rotations.

Every class takes ``(pred, gt)`` and returns the unreduced distance. Points are (..., C) in the
unit of the loss: metres, pixels, or shape coefficients. Rotations are matrices (..., 3, 3).
"""

from torch import Tensor, nn

from handvit.models.losses.functional import (
    axis_angle_l1,
    point_l1,
    point_l2,
    robust_point_l1,
    rotation_angle,
    rotation_l1,
    smooth_point_l1,
)
from handvit.registry import MODELS


@MODELS.register_module()
class L1Distance(nn.Module):
    """Sum the errors of a point's coordinates."""

    def forward(self, pred: Tensor, gt: Tensor) -> Tensor:
        """Return (...) of points (..., C)."""
        return point_l1(pred, gt)


@MODELS.register_module()
class L2Distance(nn.Module):
    """Measure along the straight line."""

    def forward(self, pred: Tensor, gt: Tensor) -> Tensor:
        """Return (...) of points (..., C)."""
        return point_l2(pred, gt)


@MODELS.register_module()
class SmoothL1Distance(nn.Module):
    """Sum the errors of a point's coordinates, softly where they are small."""

    def __init__(self, *, beta: float) -> None:
        """Set where the parabola ends, in the unit of the points: metres for 3D losses.

        Raises:
            ValueError: beta is not positive.
        """
        super().__init__()
        if beta <= 0:
            raise ValueError(f"beta: {beta} must be positive; for none use type='L1Distance'")
        self.beta = beta

    def forward(self, pred: Tensor, gt: Tensor) -> Tensor:
        """Return (...) of points (..., C)."""
        return smooth_point_l1(pred, gt, self.beta)


@MODELS.register_module()
class RobustL1Distance(nn.Module):
    """Sum the errors of a point's coordinates, but let outliers grow like a logarithm."""

    def __init__(self, *, delta: float = 84.0) -> None:
        """Set where the logarithm begins, in the unit of the points; the default is in pixels.

        Raises:
            ValueError: delta is not positive.
        """
        super().__init__()
        if delta <= 0:
            raise ValueError(f"delta: {delta} must be positive")
        self.delta = delta

    def forward(self, pred: Tensor, gt: Tensor) -> Tensor:
        """Return (...) of points (..., C)."""
        return robust_point_l1(pred, gt, self.delta)


@MODELS.register_module()
class GeodesicDistance(nn.Module):
    """Measure the angle between two rotations, in radians."""

    def forward(self, pred: Tensor, gt: Tensor) -> Tensor:
        """Return (...) of rotations (..., 3, 3)."""
        return rotation_angle(pred, gt)


@MODELS.register_module()
class AxisAngleDistance(nn.Module):
    """Sum the errors of a rotation vector's coordinates, in radians."""

    def forward(self, pred: Tensor, gt: Tensor) -> Tensor:
        """Return (...) of rotations (..., 3, 3)."""
        return axis_angle_l1(pred, gt)


@MODELS.register_module()
class RotationMatrixDistance(nn.Module):
    """Sum the errors of a matrix's elements; a small turn costs 2 to 3.5 a radian."""

    def forward(self, pred: Tensor, gt: Tensor) -> Tensor:
        """Return (...) of rotations (..., 3, 3)."""
        return rotation_l1(pred, gt)
