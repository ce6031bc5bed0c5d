import pytest
import torch

from handvit.registry import MODELS


@pytest.fixture
def loss():
    return MODELS.build(dict(type="Keypoint3DLoss", weight=5.0))


def moved(pred, keypoint: int, metres: float):
    """Move one keypoint of the first hand by ``metres`` in x and in z."""
    keypoints_cam = pred.keypoints_cam.clone()
    keypoints_cam[0, 0, keypoint] += torch.tensor([metres, 0, -metres])
    return pred._replace(keypoints_cam=keypoints_cam)


def test_perfect_prediction_costs_nothing(loss, perfect, target):
    torch.testing.assert_close(loss(perfect, target), torch.tensor(0.0), rtol=0, atol=1e-5)


def test_weight_is_per_metre(loss, perfect, target):
    """20 mm in two of the coordinates of one keypoint of 42."""
    wanted = torch.tensor(5.0 * 2 * 0.02 / 42)
    torch.testing.assert_close(loss(moved(perfect, 7, 0.02), target), wanted, rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("distance", "metres"),
    [
        (dict(type="L2Distance"), 0.02 * 2**0.5),
        (dict(type="SmoothL1Distance", beta=0.01), 2 * 0.015),
        (dict(type="SmoothL1Distance", beta=0.1), 2 * 0.002),
    ],
)
def test_other_distances(distance, metres, perfect, target):
    """20 mm in two of the coordinates of one keypoint of 42."""
    loss = MODELS.build(dict(type="Keypoint3DLoss", weight=5.0, distance=distance))
    wanted = torch.tensor(5.0 * metres / 42)
    torch.testing.assert_close(loss(moved(perfect, 7, 0.02), target), wanted, rtol=0, atol=1e-5)


def test_place_of_the_hand_does_not_matter(loss, perfect, target):
    shift = torch.tensor([0.3, -0.2, 1.0])
    mano = perfect.mano._replace(root_cam=perfect.mano.root_cam + shift)
    pred = perfect._replace(mano=mano, keypoints_cam=perfect.keypoints_cam + shift)
    torch.testing.assert_close(loss(pred, target), torch.tensor(0.0), rtol=0, atol=1e-5)


def test_unlabelled_keypoints_do_not_count(loss, perfect, target, relabel):
    valid = target.crops.labels.keypoints_cam_valid.clone()
    valid[0, 0, 7] = False
    value = loss(moved(perfect, 7, 0.02), relabel(target, keypoints_cam_valid=valid))
    torch.testing.assert_close(value, torch.tensor(0.0), rtol=0, atol=1e-5)


def test_hand_without_a_wrist_has_no_relative_labels(loss, perfect, target, relabel):
    valid = target.crops.labels.keypoints_cam_valid.clone()
    valid[0, 0, 0] = False
    keypoints_cam = target.crops.labels.keypoints_cam.clone()
    keypoints_cam[0, 0, 0] = 0  # what an invalid label holds
    target = relabel(target, keypoints_cam_valid=valid, keypoints_cam=keypoints_cam)
    value = loss(moved(perfect, 7, 0.02), target)
    torch.testing.assert_close(value, torch.tensor(0.0), rtol=0, atol=1e-5)


def test_nothing_labelled_gives_zero_and_no_gradient(loss, perfect, target, relabel):
    keypoints_cam = (perfect.keypoints_cam + 0.1).requires_grad_()
    nothing = torch.zeros(2, 1, 21, dtype=torch.bool)
    value = loss(
        perfect._replace(keypoints_cam=keypoints_cam),
        relabel(target, keypoints_cam_valid=nothing),
    )
    value.backward()
    assert value == 0 and not keypoints_cam.grad.any()
