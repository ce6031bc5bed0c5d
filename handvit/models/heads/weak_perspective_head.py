"""Place the wrist by a weak-perspective camera: the usual baseline."""

import math
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from handvit.geometry.camera import pixel_rays, project_in_front
from handvit.models.losses.functional import masked_mean, point_l1
from handvit.models.losses.routing import root_valid
from handvit.registry import MODELS
from handvit.structures import HandCrops
from handvit.structures.skeleton import WRIST

_START = 7.0  # of the scale, half crops a metre: a crop spans about 0.29 m
_START_STD = 0.1  # of the depth, as a part of it
_LOG_REACH = 4.0  # both lie within factors of e^4 around their starts


class WeakPerspective(NamedTuple):
    """What ``WeakPerspectiveHead`` says about the wrist."""

    root_cam: Tensor  # (..., 3) metres, in the assumed camera
    depth_std: Tensor  # (...) metres
    keypoints_crop: Tensor  # (..., 21, 2) px of the crop, by the assumed camera


@MODELS.register_module()
class WeakPerspectiveHead(nn.Module):
    """Regress scale and in-plane shift, and turn them into metres with an assumed focal length.

    The camera of HMR (Kanazawa et al. 2018, sec. 3.2) as HaMeR (Pavlakos et al. 2024) lifts it:
    depth ``2 f / (S s)`` for a crop S px wide, along the ray through the crop's centre. Trained by
    its own projections (a ``ReprojectionLoss`` beside it would say the same twice); here the scale
    is positive and bounded by an exponential, and the depth's uncertainty is learned beside it.
    """

    def __init__(
        self,
        dim: int,
        *,
        focal: dict[str, Any],
        keypoint_weight: float = 0.01,
        depth_weight: float = 0.01,
    ) -> None:
        """Set up the camera.

        Args:
            dim: token width.
            focal: ``TrueFocal`` or ``FixedFocal``.
            keypoint_weight: of the projected keypoints, per pixel of the crop.
            depth_weight: of the depth's likelihood, per nat; it trains the layer of the
                uncertainty and nothing before it.
        """
        super().__init__()
        self.focal = MODELS.build(focal)
        self.keypoint_weight = keypoint_weight
        self.depth_weight = depth_weight
        self.linear = nn.Linear(dim, 4)
        nn.init.normal_(self.linear.weight, std=1e-3)
        nn.init.zeros_(self.linear.bias)

    def forward(self, token: Tensor, crops: HandCrops, keypoints_rel: Tensor) -> WeakPerspective:
        """Place the wrist of each crop; token (B, T, D), keypoints_rel (B, T, 21, 3) metres."""
        raw_scale, shift = self.linear(token)[..., :3].split([1, 2], -1)  # (B, T, ...)
        raw_std = self.linear(token.detach())[..., 3:]  # it watches: only its own row learns
        log_scale, log_std = (_LOG_REACH * (x / _LOG_REACH).tanh() for x in (raw_scale, raw_std))
        focal, size = self.focal(crops), crops.crop.shape[-1]
        scale = _START * log_scale.exp()  # (B, T, 1) half crops a metre
        depth = 2 * focal.prod(-1, keepdim=True).sqrt() / (size * scale)
        center = torch.full_like(focal, (size - 1) / 2)[..., None, :]  # (B, T, 1, 2) px
        ray = pixel_rays(center, focal, crops.princpt_crop)[..., 0, :]
        root_cam = ray * depth + nn.functional.pad(shift, (0, 1))  # (B, T, 3)

        points = keypoints_rel + root_cam[..., None, :]
        return WeakPerspective(
            root_cam=root_cam,
            depth_std=(_START_STD * depth.detach() * log_std.exp())[..., 0],
            keypoints_crop=project_in_front(points, focal, crops.princpt_crop),
        )

    def loss(self, root: WeakPerspective, crops: HandCrops) -> dict[str, Tensor]:
        """Return the projection's L1 and the depth's negative log-likelihood.

        The likelihood is a Laplace distribution's around the predicted depth; neither that depth
        nor the token gets a gradient from it. Only where the camera is real.
        """
        labels = crops.labels
        error = point_l1(root.keypoints_crop, crops.keypoints_crop)  # (B, T, 21)
        miss = (root.root_cam[..., 2].detach() - labels.keypoints_cam[..., WRIST, 2]).abs()
        scale = root.depth_std / math.sqrt(2)
        likelihood = miss / scale + (2 * scale).log()  # (B, T) nats
        return {
            "loss_keypoints_crop": self.keypoint_weight
            * masked_mean(error, labels.keypoints_img_valid),
            "loss_depth_std": self.depth_weight * masked_mean(likelihood, root_valid(labels)),
        }
