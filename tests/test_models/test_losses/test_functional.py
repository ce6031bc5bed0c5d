import math
from functools import partial

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from handvit.geometry.rotation import axis_angle_to_matrix
from handvit.models.losses.functional import (
    axis_angle_l1,
    fill_unlabelled,
    masked_mean,
    point_l1,
    point_l2,
    robust_point_l1,
    rotation_angle,
    rotation_l1,
    smooth_point_l1,
)

POINT_DISTANCES = {
    "l1": point_l1,
    "l2": point_l2,
    "smooth_l1": partial(smooth_point_l1, beta=0.5),
    "robust_l1": partial(robust_point_l1, delta=2.0),
}
ROTATION_DISTANCES = {"matrix": rotation_l1, "angle": rotation_angle, "axis_angle": axis_angle_l1}
DISTANCES = {**POINT_DISTANCES, **ROTATION_DISTANCES}


def rotation_about_x(angle: float) -> torch.Tensor:
    return axis_angle_to_matrix(torch.tensor([angle, 0.0, 0.0], dtype=torch.float64))


def random_vectors(*shape: int, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, 3, generator=generator, dtype=torch.float64)


def argument(name: str, vector: torch.Tensor) -> torch.Tensor:
    """Return what the distance of that name compares: points, or the rotations of vectors."""
    return axis_angle_to_matrix(vector) if name in ROTATION_DISTANCES else vector


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


def test_masked_mean_does_not_broadcast():
    with pytest.raises(ValueError, match=r"values \(2, 1, 3\), but their mask \(2, 1\).*distance"):
        masked_mean(torch.zeros(2, 1, 3), torch.ones(2, 1, dtype=torch.bool))


def test_fill_unlabelled_by_hand():
    gt = torch.tensor([[[1.0, 2.0]], [[math.nan, 1e30]]])
    pred = torch.tensor([[[5.0, 6.0]], [[7.0, 8.0]]], requires_grad=True)
    filled = fill_unlabelled(gt, pred, torch.tensor([True, False]))
    assert filled.tolist() == [[[1, 2]], [[7, 8]]]
    assert not filled.requires_grad


@pytest.mark.parametrize("rest", [(), (3,), (15, 3, 3)])
def test_fill_unlabelled_takes_masks_of_leading_dims(rest):
    valid = torch.tensor([[True, False, True], [False, False, True]])
    filled = fill_unlabelled(torch.zeros(2, 3, *rest), torch.ones(2, 3, *rest), valid)
    assert filled.shape == (2, 3, *rest)
    assert (filled.reshape(2, 3, -1) == ~valid[..., None]).all()


@pytest.mark.parametrize("garbage", [0.0, 1e30, math.inf, math.nan])
@pytest.mark.parametrize("name", DISTANCES)
def test_labels_without_meaning_change_neither_value_nor_gradient(name, garbage):
    distance, valid = DISTANCES[name], torch.tensor([True, False])
    pred = argument(name, random_vectors(2)).requires_grad_()
    gt = argument(name, random_vectors(2, seed=1))
    gt[1] = garbage
    value = masked_mean(distance(pred, fill_unlabelled(gt, pred, valid)), valid)
    value.backward()
    assert value == distance(pred[0], gt[0])
    assert pred.grad[0].any() and not pred.grad[1].any()


@pytest.mark.parametrize("name", DISTANCES)
def test_distances_treat_every_pair_alike(name):
    distance = DISTANCES[name]
    pred, gt = (argument(name, random_vectors(2, 5, seed=seed)) for seed in (0, 1))
    result = distance(pred, gt)
    assert result.shape == (2, 5)
    assert distance(pred[0, 0], gt[0, 0]).shape == ()
    torch.testing.assert_close(result[1, 2], distance(pred[1, 2], gt[1, 2]))
    assert (result > 0).all() and (distance(gt, gt) < 1e-7).all()


@pytest.mark.parametrize("name", DISTANCES)
def test_distances_pass_gradcheck(name):
    pred, gt = 2 * random_vectors(2, 5), argument(name, random_vectors(2, 5, seed=1))
    assert torch.autograd.gradcheck(
        lambda vector: DISTANCES[name](argument(name, vector), gt), pred.requires_grad_()
    )


@pytest.mark.parametrize("name", DISTANCES)
@pytest.mark.parametrize("angle", [0.0, 0.3, math.pi])
def test_equal_arguments_have_a_finite_gradient(name, angle):
    vector = torch.tensor([angle, 0.0, 0.0], dtype=torch.float64)
    pred = argument(name, vector).requires_grad_()
    DISTANCES[name](pred, pred.detach()).backward()
    assert pred.grad.isfinite().all()


def test_point_l1_by_hand():
    pred, gt = torch.tensor([[[1.0, -2.0, 3.0]]]), torch.tensor([[[0.0, 2.0, 3.5]]])
    assert point_l1(pred, gt).tolist() == [[5.5]]


def test_point_l2_by_hand():
    pred = torch.tensor([[3.0, 0.0, -4.0], [1.0, 1.0, 1.0]], requires_grad=True)
    distance = point_l2(pred, torch.tensor([[0.0, 0.0, 0.0], [1.0, 1.0, 1.0]]))
    assert distance.tolist() == [5, 0]
    distance.sum().backward()
    torch.testing.assert_close(pred.grad, torch.tensor([[0.6, 0.0, -0.8], [0.0, 0.0, 0.0]]))


def test_smooth_l1_by_hand():
    """Errors of 0.5, 2 and 6 with beta 2: 0.0625, and twice the line one below L1."""
    loss = smooth_point_l1(torch.tensor([0.5, -2.0, 6.0]), torch.zeros(3), beta=2.0)
    torch.testing.assert_close(loss, torch.tensor(0.0625 + 1 + 5))


@pytest.mark.parametrize("beta", [0.01, 0.5, 1.0, 7.0])
def test_smooth_l1_equals_torch(beta):
    pred, gt = random_vectors(50), random_vectors(50, seed=1)
    reference = torch.nn.functional.smooth_l1_loss(pred, gt, reduction="none", beta=beta)
    torch.testing.assert_close(smooth_point_l1(pred, gt, beta), reference.sum(-1))


def test_smooth_l1_has_a_continuous_slope():
    pred = torch.tensor([[0.999], [1.001], [0.5], [9.0]], requires_grad=True)
    smooth_point_l1(pred, torch.zeros(4, 1), beta=1.0).sum().backward()
    torch.testing.assert_close(pred.grad[:, 0], torch.tensor([0.999, 1.0, 0.5, 1.0]))


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


def test_rotation_l1_by_hand():
    """A quarter turn about x changes four entries by one each."""
    loss = rotation_l1(rotation_about_x(math.pi / 2), rotation_about_x(0))
    torch.testing.assert_close(loss, torch.tensor(4.0, dtype=torch.float64))


def test_rotation_angle_is_in_radians():
    angle = rotation_angle(rotation_about_x(0.3), rotation_about_x(-0.2))
    torch.testing.assert_close(angle, torch.tensor(0.5, dtype=torch.float64))


def test_rotation_angle_equals_scipy():
    first, second = Rotation.random(100, random_state=0), Rotation.random(100, random_state=1)
    pred, gt = (torch.from_numpy(rotation.as_matrix()) for rotation in (first, second))
    reference = torch.from_numpy((first.inv() * second).magnitude())
    torch.testing.assert_close(rotation_angle(pred, gt), reference)


def test_axis_angle_l1_by_hand():
    pred = axis_angle_to_matrix(torch.tensor([0.3, -0.2, 0.1], dtype=torch.float64))
    loss = axis_angle_l1(pred, rotation_about_x(-0.2))
    torch.testing.assert_close(loss, torch.tensor(0.5 + 0.2 + 0.1, dtype=torch.float64))


def test_axis_angle_l1_knows_that_opposite_half_turns_are_one():
    """Turns by pi - 0.05 about x and about -x are 0.1 apart, not 2 pi - 0.1."""
    near_half_turn = math.pi - 0.05
    loss = axis_angle_l1(rotation_about_x(near_half_turn), rotation_about_x(-near_half_turn))
    torch.testing.assert_close(loss, torch.tensor(0.1, dtype=torch.float64))


def test_axis_angle_l1_equals_scipy_with_the_nearer_writing_of_the_label():
    first, second = Rotation.random(200, random_state=0), Rotation.random(200, random_state=1)
    pred, gt = (torch.from_numpy(rotation.as_matrix()) for rotation in (first, second))
    vector, angle = second.as_rotvec(), second.magnitude()[:, None]
    written = np.stack([vector, vector / angle * (angle - 2 * math.pi)])  # (2, 200, 3)
    reference = np.abs(first.as_rotvec() - written).sum(-1)
    assert 10 < (reference[1] < reference[0]).sum() < 190
    torch.testing.assert_close(axis_angle_l1(pred, gt), torch.from_numpy(reference.min(0)))


def test_axis_angle_l1_pulls_the_short_way_round():
    """A hand at pi - 0.05 that should be at pi + 0.05 is asked to turn on, not back."""
    vector = torch.tensor([math.pi - 0.05, 0.0, 0.0], dtype=torch.float64, requires_grad=True)
    axis_angle_l1(axis_angle_to_matrix(vector), rotation_about_x(math.pi + 0.05)).backward()
    torch.testing.assert_close(vector.grad[0], torch.tensor(-1.0, dtype=torch.float64))


def test_axis_angle_l1_to_the_identity_is_the_vector_itself():
    vector = random_vectors(5).requires_grad_()
    identity = torch.eye(3, dtype=torch.float64).expand(5, 3, 3).clone().requires_grad_()
    loss = axis_angle_l1(axis_angle_to_matrix(vector), identity)
    torch.testing.assert_close(loss, vector.abs().sum(-1))
    loss.sum().backward()
    torch.testing.assert_close(vector.grad, vector.detach().sign())
    assert identity.grad.isfinite().all()
