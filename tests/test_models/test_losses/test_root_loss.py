import pytest
import torch

from handvit.registry import MODELS


@pytest.fixture
def loss():
    return MODELS.build(dict(type="RootLoss", weight=2.0))


def moved(pred, metres: float):
    """Move the first hand's wrist by ``metres`` in x and in z."""
    root_cam = pred.root_cam.clone()
    root_cam[0, 0] += torch.tensor([metres, 0.0, -metres])
    return pred._replace(mano=pred.mano._replace(root_cam=root_cam))


def test_perfect_prediction_costs_nothing(loss, perfect, target):
    torch.testing.assert_close(loss(perfect, target), torch.tensor(0.0), rtol=0, atol=1e-6)


def test_weight_is_per_metre(loss, perfect, target):
    wanted = torch.tensor(2.0 * 0.1 / 2)
    torch.testing.assert_close(loss(moved(perfect, 0.05), target), wanted, rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    ("distance", "metres"),
    [
        (dict(type="L2Distance"), 0.05 * 2**0.5),
        (dict(type="SmoothL1Distance", beta=0.02), 2 * 0.04),
    ],
)
def test_other_distances(distance, metres, perfect, target):
    loss = MODELS.build(dict(type="RootLoss", weight=2.0, distance=distance))
    wanted = torch.tensor(2.0 * metres / 2)
    torch.testing.assert_close(loss(moved(perfect, 0.05), target), wanted, rtol=0, atol=1e-6)


@pytest.mark.parametrize("missing", ["camera", "wrist"])
def test_only_real_cameras_and_labelled_wrists_count(loss, perfect, target, relabel, missing):
    labels = target.crops.labels
    camera_valid, keypoints_valid = labels.camera_valid, labels.keypoints_cam_valid.clone()
    if missing == "camera":
        camera_valid = torch.tensor([[False], [True]])
    else:
        keypoints_valid[0, 0, 0] = False
    target = relabel(target, camera_valid=camera_valid, keypoints_cam_valid=keypoints_valid)
    value = loss(moved(perfect, 0.05), target)
    torch.testing.assert_close(value, torch.tensor(0.0), rtol=0, atol=1e-6)


def test_nothing_labelled_gives_zero_and_no_gradient(loss, perfect, target, relabel):
    root_cam = (perfect.root_cam + 0.1).requires_grad_()
    pred = perfect._replace(mano=perfect.mano._replace(root_cam=root_cam))
    value = loss(pred, relabel(target, camera_valid=torch.zeros(2, 1, dtype=torch.bool)))
    value.backward()
    assert value == 0 and not root_cam.grad.any()
