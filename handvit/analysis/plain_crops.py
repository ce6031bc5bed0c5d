"""Make the input of a model without data."""

import torch
from torch import Tensor

from handvit.geometry.camera import project
from handvit.structures import HandCrops, HandLabels, ManoParams
from handvit.structures.skeleton import WRIST

_NUM_KEYPOINTS = 21
_KEYPOINT_STEP = 0.01  # metres
_DEPTH = 0.5  # metres
_FOCAL = 2.0  # crop sides; the row of keypoints then spans 0.8 of the crop
_WHOLE = (0.0, 0.0, 1.0, 1.0)  # crop sides
_BOX = (0.25, 0.1, 0.75, 0.9)  # crop sides
_FRAME_RATE = 30.0


def plain_crops(num_hands: int, *, num_frames: int = 1, crop_size: int = 224) -> HandCrops:
    """Return grey crops (B, T, ...) of right hands with valid cameras and labels.

    Each "hand" is a vertical row of keypoints, 1 cm apart, in the middle of the crop and half a
    metre away. The virtual camera is the crop's own.
    """
    leading = (num_hands, num_frames)
    height = (torch.arange(_NUM_KEYPOINTS) - _NUM_KEYPOINTS // 2) * _KEYPOINT_STEP
    keypoints_cam = torch.stack(
        [torch.zeros_like(height), height, torch.full_like(height, _DEPTH)], -1
    ).expand(*leading, -1, -1)  # (B, T, 21, 3)
    focal = torch.full((*leading, 2), _FOCAL * crop_size)
    princpt = torch.full((*leading, 2), (crop_size - 1) / 2)
    keypoints_img = project(keypoints_cam, focal, princpt)
    yes = torch.ones(leading, dtype=torch.bool)
    all_keypoints = torch.ones(*leading, _NUM_KEYPOINTS, dtype=torch.bool)
    labels = HandLabels(
        sample_id=[f"plain/sequence/camera/{hand}/right" for hand in range(num_hands)],
        is_right=yes,
        bbox_xyxy=(torch.tensor(_BOX) * crop_size - 0.5).expand(*leading, -1),
        focal=focal,
        princpt=princpt,
        camera_valid=yes,
        frame_time=(torch.arange(num_frames).double() / _FRAME_RATE).expand(leading),
        frame_valid=yes,
        keypoints_img=keypoints_img,
        keypoints_img_valid=all_keypoints,
        keypoints_cam=keypoints_cam,
        keypoints_cam_valid=all_keypoints,
        mano=_flat_hands(keypoints_cam[..., WRIST, :]),
        mano_valid=yes,
    )
    return HandCrops(
        crop=torch.zeros(*leading, 3, crop_size, crop_size),
        crop_bbox_xyxy=(torch.tensor(_WHOLE) * crop_size - 0.5).expand(*leading, -1),
        focal_crop=focal,
        princpt_crop=princpt,
        keypoints_crop=keypoints_img,
        is_mirrored=~yes,
        labels=labels,
    )


def _flat_hands(root_cam: Tensor) -> ManoParams:
    """Return average hands (B, T, ...) in the rest pose at wrists (B, T, 3)."""
    identity = torch.eye(3)
    leading = root_cam.shape[:-1]
    return ManoParams(
        global_orient=identity.expand(*leading, 3, 3),
        hand_pose=identity.expand(*leading, 15, 3, 3),
        betas=torch.zeros(*leading, 10),
        root_cam=root_cam,
    )
