"""Turn clips into one batch of tensors."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from handvit.datasets.frame_stack import FrameStack
from handvit.datasets.hand_clip_dataset import ClipBatch, HandClip
from handvit.datasets.shards.label_table import NUMBERS_DTYPE, number_table
from handvit.datasets.shards.stored_samples import StoredSamples
from handvit.geometry.rotation import axis_angle_to_matrix
from handvit.registry import FUNCTIONS
from handvit.structures import HandBatch, HandLabels, ManoParams


@FUNCTIONS.register_module()
def hand_collate(clips: Sequence[HandClip]) -> HandBatch:
    """Stack B clips of T frames; images are padded with zeros to the largest of the batch."""
    lengths = {len(clip.samples) for clip in clips}
    assert len(lengths) == 1, f"clips of one batch must have one length, not {lengths}"
    numbers = _stack_numbers(clips)
    return HandBatch(
        image=_stack_images(clips),
        image_size=_tensor(numbers["image_size"]),
        labels=_stack_labels(clips, numbers),
    )


def _stack_images(clips: Sequence[HandClip]) -> Tensor:
    """Return (B, T, 3, H, W) uint8, with the channels last in memory as decoders leave them."""
    images = [image for clip in clips for image in clip.images]
    stack = clips.frames if isinstance(clips, ClipBatch) else FrameStack(len(images))
    frames = torch.from_numpy(stack.complete(images))  # (B * T, H, W, 3)
    return frames.unflatten(0, (len(clips), -1)).permute(0, 1, 4, 2, 3)


def _stack_labels(clips: Sequence[HandClip], numbers: np.ndarray) -> HandLabels:
    return HandLabels(
        sample_id=[_last_id(clip) for clip in clips],
        is_right=_tensor(numbers["is_right"], bool),
        bbox_xyxy=_tensor(numbers["bbox_xyxy"]),
        focal=_tensor(numbers["focal"]),
        princpt=_tensor(numbers["princpt"]),
        camera_valid=_tensor(numbers["camera_valid"], bool),
        frame_time=_tensor(numbers["frame_time"], np.float64),
        frame_valid=torch.from_numpy(np.stack([clip.frame_valid for clip in clips])),
        keypoints_img=_tensor(numbers["keypoints_img"]),
        keypoints_img_valid=_tensor(numbers["keypoints_img_valid"], bool),
        keypoints_cam=_tensor(numbers["keypoints_cam"]),
        keypoints_cam_valid=_tensor(numbers["keypoints_cam_valid"], bool),
        mano=_stack_mano(numbers),
        mano_valid=_tensor(numbers["mano_valid"], bool),
    )


def _stack_mano(numbers: np.ndarray) -> ManoParams:
    full_pose = np.concatenate([numbers["global_orient"], numbers["hand_pose"]], -1)  # (B, T, 48)
    rotations = axis_angle_to_matrix(_tensor(full_pose).unflatten(-1, (16, 3)))
    return ManoParams(
        global_orient=rotations[:, :, 0],
        hand_pose=rotations[:, :, 1:],
        betas=_tensor(numbers["betas"]),
        root_cam=_tensor(numbers["mano_root_cam"]),
    )


def _tensor(values: np.ndarray, dtype: type = np.float32) -> Tensor:
    """Return a column of a table as a tensor of its own."""
    return torch.from_numpy(np.array(values, dtype, order="C"))


def _stack_numbers(clips: Sequence[HandClip]) -> np.ndarray:
    """Return the numbers of all samples, (B, T) NUMBERS_DTYPE."""
    if all(isinstance(clip.samples, StoredSamples) for clip in clips):
        rows = b"".join(row for clip in clips for row in clip.samples.numbers)
        numbers = np.frombuffer(rows, NUMBERS_DTYPE)
    else:
        numbers = number_table([sample for clip in clips for sample in clip.samples])
    return numbers.reshape(len(clips), -1)


def _last_id(clip: HandClip) -> str:
    is_stored = isinstance(clip.samples, StoredSamples)
    return clip.samples.last_id if is_stored else clip.samples[-1].sample_id
