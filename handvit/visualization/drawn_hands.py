"""Take hands to be drawn out of a batch of crops."""

from itertools import islice

import numpy as np
import torch
from torch import Tensor, nn

from handvit.geometry.camera import project
from handvit.structures import HandCrops, HandPrediction
from handvit.structures.skeleton import NUM_KEYPOINTS, WRIST
from handvit.visualization.crop_pictures import CropCamera, DrawnHand, to_picture


@torch.no_grad()
def labelled_hands(crops: HandCrops, hand_model: nn.Module, num_hands: int) -> list[DrawnHand]:
    """Return the annotation of the first hands of single-frame crops, (B, 1, ...)."""
    labels = crops.labels
    mano = labels.mano
    mesh = hand_model(mano.global_orient, mano.hand_pose, mano.betas)
    vertices_cam = mesh.vertices_rel + mano.root_cam[..., None, :]  # (B, 1, 778, 3)
    is_placed = labels.keypoints_cam_valid[..., WRIST] & labels.camera_valid  # (B, 1)
    return [
        DrawnHand(
            camera=_camera(crops, hand),
            keypoints_crop=_array(crops.keypoints_crop[hand, 0]),
            valid=_array(labels.keypoints_img_valid[hand, 0]),
            keypoints_cam=_array(labels.keypoints_cam[hand, 0]) if is_placed[hand] else None,
            vertices_cam=_array(vertices_cam[hand, 0]) if labels.mano_valid[hand, 0] else None,
        )
        for hand in range(min(num_hands, len(is_placed)))
    ]


def predicted_hands(
    prediction: HandPrediction, crops: HandCrops, num_hands: int
) -> list[DrawnHand]:
    """Return the first predicted hands, (B, 1, ...), in the cameras of their crops."""
    keypoints_cam = prediction.keypoints_cam.double()
    camera = crops.focal_crop.double(), crops.princpt_crop.double()
    keypoints_crop = project(keypoints_cam, *camera)  # (B, 1, 21, 2)
    return [
        DrawnHand(
            camera=_camera(crops, hand),
            keypoints_crop=_array(keypoints_crop[hand, 0]),
            valid=np.ones(NUM_KEYPOINTS, bool),
            keypoints_cam=_array(keypoints_cam[hand, 0]),
            vertices_cam=_array(prediction.vertices_cam[hand, 0]),
        )
        for hand in range(min(num_hands, len(keypoints_cam)))
    ]


def crop_pictures(crops: HandCrops, preprocessor: nn.Module, num_hands: int) -> list[np.ndarray]:
    """Return the first crops as pictures, each (S, S, 3) uint8 RGB."""
    mean, std = preprocessor.mean, preprocessor.std
    return [to_picture(crop[0], mean, std) for crop in islice(crops.crop, num_hands)]


def _camera(crops: HandCrops, hand: int) -> CropCamera:
    return CropCamera(_array(crops.focal_crop[hand, 0]), _array(crops.princpt_crop[hand, 0]))


def _array(tensor: Tensor) -> np.ndarray:
    return tensor.detach().cpu().numpy()
