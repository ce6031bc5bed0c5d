"""Turn clips into one batch of tensors."""

from collections.abc import Callable, Sequence

import cv2
import numpy as np
import torch
from torch import Tensor

from handvit.datasets.hand_clip_dataset import HandClip
from handvit.geometry.rotation import axis_angle_to_matrix
from handvit.registry import FUNCTIONS
from handvit.structures import HandBatch, HandLabels, HandSample, ManoParams


@FUNCTIONS.register_module()
def hand_collate(clips: Sequence[HandClip]) -> HandBatch:
    """Stack B clips of T frames; images are padded with zeros to the largest of the batch."""
    frames = [clip.samples for clip in clips]  # (B, T)
    assert len({len(clip) for clip in frames}) == 1, "clips of one batch must have one length"
    image_size = np.array([[sample.image_size for sample in clip] for clip in frames], np.float32)
    return HandBatch(
        image=_stack_images(clips, image_size.max(axis=(0, 1)).astype(int)),
        image_size=torch.from_numpy(image_size),
        labels=_stack_labels(frames, np.stack([clip.frame_valid for clip in clips])),
    )


def _stack_images(clips: Sequence[HandClip], size: np.ndarray) -> Tensor:
    """Return (B, T, 3, H, W) uint8 for a ``size`` of (W, H)."""
    width, height = size
    batch = np.zeros((len(clips), len(clips[0].images), 3, height, width), np.uint8)
    for clip, target in zip(clips, batch, strict=True):
        for image, planes in zip(clip.images, target, strict=True):
            for channel, plane in zip(cv2.split(image), planes, strict=True):
                plane[: image.shape[0], : image.shape[1]] = channel
    return torch.from_numpy(batch)


def _stack_labels(frames: list[list[HandSample]], frame_valid: np.ndarray) -> HandLabels:
    def stack(field: Callable[[HandSample], object], dtype: type = np.float32) -> Tensor:
        values = [[field(sample) for sample in clip] for clip in frames]
        return torch.from_numpy(np.array(values, dtype))  # (B, T, ...)

    hand_pose = stack(lambda sample: sample.hand_pose.reshape(15, 3))  # (B, T, 15, 3)
    mano = ManoParams(
        global_orient=axis_angle_to_matrix(stack(lambda sample: sample.global_orient)),
        hand_pose=axis_angle_to_matrix(hand_pose),
        betas=stack(lambda sample: sample.betas),
        root_cam=stack(lambda sample: sample.mano_root_cam),
    )
    return HandLabels(
        sample_id=[clip[-1].sample_id for clip in frames],
        is_right=stack(lambda sample: sample.is_right, bool),
        bbox_xyxy=stack(lambda sample: sample.bbox_xyxy),
        focal=stack(lambda sample: sample.focal),
        princpt=stack(lambda sample: sample.princpt),
        camera_valid=stack(lambda sample: sample.camera_valid, bool),
        frame_time=stack(lambda sample: sample.frame_time, np.float64),
        frame_valid=torch.from_numpy(frame_valid),
        keypoints_img=stack(lambda sample: sample.keypoints_img),
        keypoints_img_valid=stack(lambda sample: sample.keypoints_img_valid, bool),
        keypoints_cam=stack(lambda sample: sample.keypoints_cam),
        keypoints_cam_valid=stack(lambda sample: sample.keypoints_cam_valid, bool),
        mano=mano,
        mano_valid=stack(lambda sample: sample.mano_valid, bool),
    )
