import pytest
import torch

from handvit.geometry.rotation import axis_angle_to_matrix
from handvit.registry import MODELS


@pytest.fixture
def loss():
    return MODELS.build(dict(type="Axis3DLoss", weight=2.0))


def turned(pred, angle: torch.Tensor):
    """Turn each hand about the camera's y axis by ``angle`` (B,)."""
    axis = torch.tensor([0.0, 1.0, 0.0])
    rotation = axis_angle_to_matrix(angle[:, None, None] * axis)  # (B, 1, 3, 3)
    return pred._replace(mano=pred.mano._replace(global_orient=rotation @ pred.mano.global_orient))


def test_perfect_prediction_costs_nothing(loss, perfect, target):
    torch.testing.assert_close(loss(perfect, target), torch.tensor(0.0), rtol=0, atol=1e-3)


def test_weight_is_per_radian(loss, perfect, target):
    pred = turned(perfect, torch.tensor([0.1, 0.5]))
    torch.testing.assert_close(loss(pred, target), torch.tensor(2.0 * 0.3), rtol=0, atol=1e-4)


@pytest.mark.parametrize(
    ("name", "costs"),
    [("AxisAngleDistance", [0.1, 0.5]), ("RotationMatrixDistance", [0.20966, 1.20369])],
)
def test_other_distances(name, costs, perfect, target, relabel):
    """A turn from the identity by ``a`` about y costs ``a``, or 2 (1 - cos a) + 2 sin a."""
    identity = torch.eye(3).expand(2, 1, 3, 3)
    target = relabel(target, mano=target.crops.labels.mano._replace(global_orient=identity))
    straight = perfect._replace(mano=perfect.mano._replace(global_orient=identity))
    loss = MODELS.build(dict(type="Axis3DLoss", weight=2.0, distance=dict(type=name)))
    value = loss(turned(straight, torch.tensor([0.1, 0.5])), target)
    torch.testing.assert_close(value, torch.tensor(2.0 * sum(costs) / 2), rtol=0, atol=1e-4)


def test_unlabelled_hands_do_not_count(loss, perfect, target, relabel):
    pred = turned(perfect, torch.tensor([0.1, 0.5]))
    half = relabel(target, mano_valid=torch.tensor([[True], [False]]))
    torch.testing.assert_close(loss(pred, half), torch.tensor(2.0 * 0.1), rtol=0, atol=1e-4)


def test_nothing_labelled_gives_zero_and_no_gradient(loss, perfect, target, relabel):
    global_orient = turned(perfect, torch.tensor([0.1, 0.5])).mano.global_orient.requires_grad_()
    pred = perfect._replace(mano=perfect.mano._replace(global_orient=global_orient))
    value = loss(pred, relabel(target, mano_valid=torch.zeros(2, 1, dtype=torch.bool)))
    value.backward()
    assert value == 0 and not global_orient.grad.any()
