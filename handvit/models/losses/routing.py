"""Decide which hands may teach how far away a hand is.

Distance in metres is known only where the camera is real and the wrist has a 3D label. Other hands
(a guessed camera, labels in 2D only) still have pixels, but a pixel shows size over distance: if
it trained the distance, it would train whatever fits the guess or the current hand size. So there
the distance is *held*: part of the value, not of the gradient. What each kind of hand trains:

====================  ====================  ========================================
hand                  relative terms        absolute terms
====================  ====================  ========================================
real camera, 3D       as labelled           ``RootLoss``; pixels train all of the root
guessed camera, 3D    as labelled           pixels train the root's direction only
2D only               none                  pixels train the root's direction only
====================  ====================  ========================================

Relative terms are those on keypoints, mesh, rotations and shape, each under its own label's mask.
Pixels train pose and shape of every hand that has them.
"""

import torch
from torch import Tensor, nn

from handvit.registry import MODELS
from handvit.structures import HandLabels
from handvit.structures.skeleton import WRIST

_MIN_DISTANCE = 1e-6  # metres: at the camera itself there is no direction


def root_valid(labels: HandLabels) -> Tensor:
    """Say whose wrist has a known place in metres, (B, T) bool."""
    return labels.camera_valid & labels.keypoints_cam_valid[..., WRIST]


@MODELS.register_module()
class HoldDistance(nn.Module):
    """Let a root move across its viewing ray only; for heads that predict a pixel and a depth.

    Such a head says ``root = distance * ray``. The gradient that is left is orthogonal to the
    ray, so exactly none of it reaches the distance, and all of it reaches the pixel.
    """

    def forward(self, root_cam: Tensor) -> Tensor:
        """Return the same (..., 3) metres, with the distance held."""
        distance = torch.linalg.vector_norm(root_cam, dim=-1, keepdim=True)
        distance = distance.clamp_min(_MIN_DISTANCE)
        return root_cam * (distance.detach() / distance)


@MODELS.register_module()
class HoldDepth(nn.Module):
    """Let a root move in x and y only; for heads that predict x, y and z in metres, each its own.

    Across the viewing ray is not enough for them: to turn an oblique ray, z would move as well.
    """

    def forward(self, root_cam: Tensor) -> Tensor:
        """Return the same (..., 3) metres, with z held."""
        return torch.cat([root_cam[..., :2], root_cam[..., 2:].detach()], dim=-1)
