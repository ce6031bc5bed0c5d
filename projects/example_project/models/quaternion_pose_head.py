"""Read hand rotations off the decoder's token as unit quaternions: 64 numbers."""

import torch
import torch.nn.functional as F
from kornia.geometry.conversions import quaternion_to_rotation_matrix
from torch import Tensor, nn

from handvit.registry import MODELS

_NUM_ROTATIONS = 16


@MODELS.register_module()
class QuaternionPoseHead(nn.Module):
    """Regress 16 quaternions (w, x, y, z); the untrained head says a flat, unturned hand."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.linear = nn.Linear(dim, 4 * _NUM_ROTATIONS)
        nn.init.normal_(self.linear.weight, std=1e-3)
        with torch.no_grad():
            self.linear.bias.copy_(torch.tensor([1.0, 0.0, 0.0, 0.0]).repeat(_NUM_ROTATIONS))

    def forward(self, token: Tensor) -> Tensor:
        """Return rotations (..., 16, 3, 3), wrist first, of a token (..., D)."""
        quaternion = self.linear(token).unflatten(-1, (_NUM_ROTATIONS, 4))
        return quaternion_to_rotation_matrix(F.normalize(quaternion, dim=-1))
