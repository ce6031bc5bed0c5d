import math

import torch

from handvit.geometry.rotation import axis_angle_to_matrix
from handvit.models.losses.functional import (
    masked_mean,
    point_l1,
    robust_point_l1,
    rotation_angle,
    rotation_l1,
)


def rotation_about_x(angle: float) -> torch.Tensor:
    return axis_angle_to_matrix(torch.tensor([angle, 0.0, 0.0], dtype=torch.float64))


def test_masked_mean_by_hand():
    values = torch.tensor([[1.0, 2.0], [3.0, 100.0]], requires_grad=True)
    mean = masked_mean(values, torch.tensor([[True, True], [True, False]]))
    assert mean == 2
    mean.backward()
    torch.testing.assert_close(values.grad, torch.tensor([[1 / 3, 1 / 3], [1 / 3, 0]]))


def test_masked_mean_ignores_values_without_meaning():
    values = torch.tensor([1.0, math.nan, math.inf], requires_grad=True)
    mean = masked_mean(values, torch.tensor([True, False, False]))
    mean.backward()
    assert mean == 1
    assert values.grad.tolist() == [1, 0, 0]


def test_masked_mean_of_nothing_is_zero_with_zero_gradient():
    values = torch.tensor([1.0, math.nan], requires_grad=True)
    mean = masked_mean(values, torch.zeros(2, dtype=torch.bool))
    mean.backward()
    assert mean == 0
    assert values.grad.tolist() == [0, 0]


def test_point_l1_by_hand():
    pred, gt = torch.tensor([[[1.0, -2.0, 3.0]]]), torch.tensor([[[0.0, 2.0, 3.5]]])
    assert point_l1(pred, gt).tolist() == [[5.5]]
    assert point_l1(torch.zeros(2, 3, 21, 2), torch.zeros(2, 3, 21, 2)).shape == (2, 3, 21)


def test_robust_l1_is_l1_up_to_delta_and_a_logarithm_beyond():
    pred = torch.tensor([[3.0, 4.0], [10.0, 0.0], [0.0, 10 * math.e]])
    loss = robust_point_l1(pred, torch.zeros(3, 2), delta=10.0)
    torch.testing.assert_close(loss, torch.tensor([7.0, 10.0, 20.0]))


def test_robust_l1_has_a_continuous_slope():
    delta = 10.0
    pred = torch.tensor([[9.999, 0.0], [10.001, 0.0], [1e6, 0.0]], requires_grad=True)
    robust_point_l1(pred, torch.zeros(3, 2), delta).sum().backward()
    slope = pred.grad[:, 0]
    torch.testing.assert_close(slope[:2], torch.ones(2), rtol=1e-3, atol=0)
    torch.testing.assert_close(slope[2], torch.tensor(delta / 1e6))


def test_robust_l1_passes_gradcheck():
    pred = 20 * torch.rand(6, 2, dtype=torch.float64) + 0.1
    zeros = torch.zeros_like(pred)
    assert (robust_point_l1(pred, zeros, 10.0) > 10).any()
    assert torch.autograd.gradcheck(
        lambda x: robust_point_l1(x, zeros, 10.0), pred.requires_grad_()
    )


def test_rotation_l1_by_hand():
    """A quarter turn about x changes four entries by one each."""
    loss = rotation_l1(rotation_about_x(math.pi / 2), rotation_about_x(0))
    torch.testing.assert_close(loss, torch.tensor(4.0, dtype=torch.float64))
    assert rotation_l1(torch.zeros(2, 15, 3, 3), torch.zeros(2, 15, 3, 3)).shape == (2, 15)


def test_rotation_angle_is_in_radians():
    angle = rotation_angle(rotation_about_x(0.3), rotation_about_x(-0.2))
    torch.testing.assert_close(angle, torch.tensor(0.5, dtype=torch.float64))


def test_rotation_angle_passes_gradcheck():
    gt = axis_angle_to_matrix(torch.randn(4, 3, dtype=torch.float64))
    vector = torch.randn(4, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda v: rotation_angle(axis_angle_to_matrix(v), gt), vector)


def test_rotation_angle_of_equal_rotations_has_a_finite_gradient():
    rotation = rotation_about_x(0.3).requires_grad_()
    rotation_angle(rotation, rotation.detach()).backward()
    assert rotation.grad.isfinite().all()
