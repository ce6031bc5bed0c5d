"""Cut the part of a full frame that is stored: a square around the hand, with its own camera."""

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from handvit.datasets.synthetic.hand_rig import PosedHand
from handvit.datasets.synthetic.scene import FrameCamera
from handvit.geometry.boxes import bbox_from_points, bbox_size, square_bbox
from handvit.geometry.camera import project
from handvit.geometry.image_warp import crop_camera

#: Side of the stored image relative to the longer side of the tight hand box.
_CONTEXT = (1.85, 2.15)
_MAX_SHIFT = 0.06  # of the stored image's side
_DECIMALS = 4  # of a pixel, on disk


class StoredView(NamedTuple):
    """Hold where T stored images lie in their full frames, and what they show; float64."""

    crop_bbox_xyxy: Tensor  # (T, 4) px of the full frame
    focal: Tensor  # (T, 2) px of the stored image
    princpt: Tensor  # (T, 2) px of the stored image, often far outside it
    keypoints_img: Tensor  # (T, 21, 2) px of the stored image
    bbox_xyxy: Tensor  # (T, 4) px of the stored image, tight


def store_view(
    rng: np.random.Generator, hand: PosedHand, camera: FrameCamera, size: int
) -> StoredView:
    """Follow a hand with a square crop that is not quite centred on it.

    Args:
        size: side of the stored images, px.
    """
    points = torch.cat([hand.vertices_cam, hand.keypoints_cam], dim=1).double()  # (T, 799, 3)
    focal, princpt = torch.from_numpy(camera.focal), torch.from_numpy(camera.princpt)
    expand = rng.uniform(*_CONTEXT)
    shift = torch.from_numpy(rng.uniform(-_MAX_SHIFT, _MAX_SHIFT, 2)).repeat(2)  # (4,)
    crop = square_bbox(_tight_box(project(points, focal, princpt)), expand)
    crop = crop + shift * bbox_size(crop)[:, :1]
    focal, princpt = crop_camera(focal, princpt, crop, size)
    focal, princpt = focal.round(decimals=_DECIMALS), princpt.round(decimals=_DECIMALS)
    points_img = project(points, focal, princpt).round(decimals=_DECIMALS)
    num_keypoints = hand.keypoints_cam.shape[1]
    return StoredView(crop, focal, princpt, points_img[:, -num_keypoints:], _tight_box(points_img))


def _tight_box(points_img: Tensor) -> Tensor:
    return bbox_from_points(points_img, torch.ones_like(points_img[..., 0], dtype=torch.bool))
