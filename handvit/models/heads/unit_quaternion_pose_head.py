"""Read hand rotations off the decoder's token as unit quaternions: 64 numbers."""

import torch
from torch import Tensor, nn

from handvit.geometry.rotation import (
    axis_angle_to_matrix,
    matrix_to_quaternion,
    quaternion_to_matrix,
)
from handvit.registry import MODELS
from handvit.structures import HandStatistics

_NUM_ROTATIONS = 16


@MODELS.register_module()
class UnitQuaternionPoseHead(nn.Module):
    """Regress 16 quaternions (w, x, y, z), of any length; starts at the identity."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.linear = nn.Linear(dim, 4 * _NUM_ROTATIONS)
        nn.init.normal_(self.linear.weight, std=1e-3)
        self._say(torch.eye(3).expand(_NUM_ROTATIONS, 3, 3))

    def start_at(self, statistics: HandStatistics) -> None:
        """Let the untrained head say the mean pose."""
        self._say(axis_angle_to_matrix(torch.from_numpy(statistics.pose_mean)))

    def forward(self, token: Tensor) -> Tensor:
        """Return rotations (..., 16, 3, 3), wrist first, of a token (..., D)."""
        return quaternion_to_matrix(self.linear(token).unflatten(-1, (_NUM_ROTATIONS, 4)))

    def _say(self, rotations: Tensor) -> None:
        with torch.no_grad():
            self.linear.bias.copy_(matrix_to_quaternion(rotations).flatten())
