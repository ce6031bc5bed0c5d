import math

import pytest
import torch

from handvit.geometry.rotation import axis_angle_to_matrix
from handvit.registry import MODELS


@pytest.fixture
def loss():
    return MODELS.build(dict(type="ManoPoseLoss", weight=3.0))


def with_pose(pred, hand_pose: torch.Tensor):
    return pred._replace(mano=pred.mano._replace(hand_pose=hand_pose))


def test_perfect_prediction_costs_nothing(loss, perfect, target):
    assert loss(perfect, target) == 0


@pytest.mark.parametrize(
    ("distance", "cost"),
    [
        (None, 4.0),
        (dict(type="GeodesicDistance"), math.pi / 2),
        (dict(type="AxisAngleDistance"), math.pi / 2),
    ],
)
def test_weight_is_per_unit_of_the_distance_and_joint(distance, cost, perfect, target, relabel):
    """A quarter turn of one joint of 15 in one hand of two changes four elements by one."""
    loss = MODELS.build(dict(type="ManoPoseLoss", weight=3.0, distance=distance))
    flat = torch.eye(3).expand(2, 1, 15, 3, 3)
    target = relabel(target, mano=target.crops.labels.mano._replace(hand_pose=flat))
    bent = flat.clone()
    bent[1, 0, 4] = axis_angle_to_matrix(torch.tensor([math.pi / 2, 0, 0]))
    value = loss(with_pose(perfect, bent), target)
    torch.testing.assert_close(value, torch.tensor(3.0 * cost / 15 / 2))


def test_unlabelled_hands_do_not_count(loss, perfect, target, relabel):
    other = perfect.mano.hand_pose.clone()
    other[1] = torch.eye(3)
    pred = with_pose(perfect, other)
    assert loss(pred, target) > 0
    assert loss(pred, relabel(target, mano_valid=torch.tensor([[True], [False]]))) == 0


def test_nothing_labelled_gives_zero_and_no_gradient(loss, perfect, target, relabel):
    hand_pose = (perfect.mano.hand_pose + 0.1).requires_grad_()
    nothing = relabel(target, mano_valid=torch.zeros(2, 1, dtype=torch.bool))
    value = loss(with_pose(perfect, hand_pose), nothing)
    value.backward()
    assert value == 0 and not hand_pose.grad.any()
