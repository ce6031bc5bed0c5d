import math

import pytest
import torch

from handvit.geometry.camera import unproject
from handvit.registry import MODELS


@pytest.fixture
def loss():
    return MODELS.build(dict(type="ReprojectionLoss", weight=0.5))


def moved(pred, crops, shift: tuple[float, float]):
    """Move keypoint 7 of the first hand by pixels of the crop, at its depth."""
    depth = pred.keypoints_cam[..., 2]
    pixels = crops.keypoints_crop.clone()
    pixels[0, 0, 7] += torch.tensor(shift)
    keypoints_cam = unproject(pixels, depth, crops.focal_crop, crops.princpt_crop)
    return pred._replace(keypoints_cam=keypoints_cam)


def test_perfect_prediction_costs_nothing(loss, perfect, target):
    torch.testing.assert_close(loss(perfect, target), torch.tensor(0.0), rtol=0, atol=1e-4)


def test_weight_is_per_pixel_of_the_crop(loss, perfect, target):
    pred = moved(perfect, target.crops, (3.0, -4.0))
    wanted = torch.tensor(0.5 * 7 / 42)
    torch.testing.assert_close(loss(pred, target), wanted, rtol=0, atol=1e-4)


def test_outliers_grow_like_a_logarithm(loss, perfect, target):
    pred = moved(perfect, target.crops, (84 * math.e, 0.0))
    wanted = torch.tensor(0.5 * 2 * 84 / 42)
    torch.testing.assert_close(loss(pred, target), wanted, rtol=0, atol=1e-3)


@pytest.mark.parametrize(
    ("distance", "pixels"),
    [
        (dict(type="L1Distance"), 84 * math.e),
        (dict(type="RobustL1Distance", delta=42.0), 42 * (2 + math.log(2))),
    ],
)
def test_other_distances(distance, pixels, perfect, target):
    loss = MODELS.build(dict(type="ReprojectionLoss", weight=0.5, distance=distance))
    pred = moved(perfect, target.crops, (84 * math.e, 0.0))
    wanted = torch.tensor(0.5 * pixels / 42)
    torch.testing.assert_close(loss(pred, target), wanted, rtol=0, atol=1e-3)


def test_unlabelled_keypoints_do_not_count(loss, perfect, target, relabel):
    valid = target.crops.labels.keypoints_img_valid.clone()
    valid[0, 0, 7] = False
    pred = moved(perfect, target.crops, (30.0, 0.0))
    value = loss(pred, relabel(target, keypoints_img_valid=valid))
    torch.testing.assert_close(value, torch.tensor(0.0), rtol=0, atol=1e-4)


def test_points_behind_the_camera_give_a_finite_gradient(loss, perfect, target):
    keypoints_cam = perfect.keypoints_cam.clone()
    keypoints_cam[0, 0, 3, 2] = -0.5
    keypoints_cam[0, 0, 4, 2] = 0
    keypoints_cam.requires_grad_()
    value = loss(perfect._replace(keypoints_cam=keypoints_cam), target)
    value.backward()
    assert value.isfinite() and value > 0
    assert keypoints_cam.grad.isfinite().all()


def test_nothing_labelled_gives_zero_and_no_gradient(loss, perfect, target, relabel):
    keypoints_cam = (perfect.keypoints_cam + 0.1).requires_grad_()
    nothing = torch.zeros(2, 1, 21, dtype=torch.bool)
    value = loss(
        perfect._replace(keypoints_cam=keypoints_cam),
        relabel(target, keypoints_img_valid=nothing),
    )
    value.backward()
    assert value == 0 and not keypoints_cam.grad.any()
