"""Read hand rotations off the decoder's token as axis-angle: 48 numbers."""

import torch
from torch import Tensor, nn

from handvit.geometry.rotation import axis_angle_to_matrix
from handvit.registry import MODELS
from handvit.structures import HandStatistics

_NUM_ROTATIONS = 16


@MODELS.register_module()
class AxisAnglePoseHead(nn.Module):
    """Regress 16 axis-angle vectors; the untrained head says a flat, unturned hand."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.linear = nn.Linear(dim, 3 * _NUM_ROTATIONS)
        nn.init.normal_(self.linear.weight, std=1e-3)
        nn.init.zeros_(self.linear.bias)

    def start_at(self, statistics: HandStatistics) -> None:
        """Let the untrained head say the mean pose."""
        with torch.no_grad():
            self.linear.bias.copy_(torch.from_numpy(statistics.pose_mean).flatten())

    def forward(self, token: Tensor) -> Tensor:
        """Return rotations (..., 16, 3, 3), wrist first, of a token (..., D)."""
        return axis_angle_to_matrix(self.linear(token).unflatten(-1, (_NUM_ROTATIONS, 3)))
