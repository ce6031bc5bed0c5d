import math

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from handvit.geometry.rotation import (
    axis_angle_to_matrix,
    geodesic_angle,
    matrix_to_axis_angle,
    matrix_to_quaternion,
    matrix_to_rotation_6d,
    mirror_axis_angle,
    mirror_rotation,
    quaternion_to_matrix,
    rotation_6d_to_matrix,
)

#: Angles where formulas change branch or divide by zero, and ordinary ones.
ANGLES = [0.0, 1e-12, 1e-8, 1e-4, 0.0099, 0.0101, 0.0199, 0.0201, 0.3, 1.5, 3.0]
ANGLES += [math.pi - 1e-3, math.pi - 1e-8, math.pi - 1e-12, math.pi]
MIRROR = torch.diag(torch.tensor([-1.0, 1.0, 1.0], dtype=torch.float64))


def random_axis_angles(*shape: int, seed: int = 0) -> torch.Tensor:
    """Draw rotation vectors of uniform direction and angle in [0, pi]."""
    rng = np.random.default_rng(seed)
    axes = rng.normal(size=(*shape, 3))
    axes /= np.linalg.norm(axes, axis=-1, keepdims=True)
    return torch.from_numpy(axes * rng.uniform(0, np.pi, (*shape, 1)))


def axis_angles_at(angle: float) -> torch.Tensor:
    """Return rotation vectors of one angle about random and coordinate axes."""
    axes = random_axis_angles(50)
    axes = torch.cat([axes / axes.norm(dim=-1, keepdim=True), torch.eye(3).double(), -torch.eye(3)])
    return axes * angle


def scipy_matrix(axis_angle: torch.Tensor) -> torch.Tensor:
    flat = Rotation.from_rotvec(axis_angle.reshape(-1, 3).numpy()).as_matrix()
    return torch.from_numpy(flat).reshape(*axis_angle.shape[:-1], 3, 3)


@pytest.mark.parametrize("leading", [(), (1,), (6,), (2, 3), (2, 3, 15)])
def test_shapes(leading):
    axis_angle = random_axis_angles(*leading)
    matrix = axis_angle_to_matrix(axis_angle)
    pose_6d = matrix_to_rotation_6d(matrix)
    assert matrix.shape == (*leading, 3, 3)
    assert matrix_to_axis_angle(matrix).shape == (*leading, 3)
    assert pose_6d.shape == (*leading, 6)
    assert rotation_6d_to_matrix(pose_6d).shape == (*leading, 3, 3)
    quaternion = matrix_to_quaternion(matrix)
    assert quaternion.shape == (*leading, 4)
    assert quaternion_to_matrix(quaternion).shape == (*leading, 3, 3)
    assert geodesic_angle(matrix, matrix).shape == leading
    assert mirror_rotation(matrix).shape == (*leading, 3, 3)
    assert mirror_axis_angle(axis_angle).shape == (*leading, 3)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_dtype_is_kept(dtype):
    axis_angle = random_axis_angles(4).to(dtype)
    matrix = axis_angle_to_matrix(axis_angle)
    for result in (matrix, matrix_to_axis_angle(matrix), mirror_rotation(matrix)):
        assert result.dtype == dtype


def test_quarter_turn_about_z_moves_x_to_y():
    matrix = axis_angle_to_matrix(torch.tensor([0.0, 0.0, math.pi / 2], dtype=torch.float64))
    expected = torch.tensor([[0.0, -1, 0], [1, 0, 0], [0, 0, 1]], dtype=torch.float64)
    torch.testing.assert_close(matrix, expected)


@pytest.mark.parametrize("angle", ANGLES)
def test_axis_angle_agrees_with_scipy(angle):
    axis_angle = axis_angles_at(angle)
    matrix = axis_angle_to_matrix(axis_angle)
    torch.testing.assert_close(matrix, scipy_matrix(axis_angle), rtol=0, atol=1e-14)


@pytest.mark.parametrize("angle", ANGLES)
def test_matrix_to_axis_angle_inverts_scipy(angle):
    axis_angle = axis_angles_at(angle)
    result = matrix_to_axis_angle(scipy_matrix(axis_angle))
    if angle > math.pi - 1e-10:  # the axis may flip, the rotation may not
        torch.testing.assert_close(result.norm(dim=-1), axis_angle.norm(dim=-1))
        torch.testing.assert_close(scipy_matrix(result), scipy_matrix(axis_angle))
    else:
        torch.testing.assert_close(result, axis_angle, rtol=0, atol=1e-13)


def test_round_trips_of_many_rotations():
    axis_angle = random_axis_angles(5000)
    matrix = axis_angle_to_matrix(axis_angle)
    torch.testing.assert_close(matrix_to_axis_angle(matrix), axis_angle, rtol=0, atol=1e-12)
    torch.testing.assert_close(rotation_6d_to_matrix(matrix_to_rotation_6d(matrix)), matrix)


def test_round_trip_in_float32():
    axis_angle = random_axis_angles(5000).float()
    matrix = axis_angle_to_matrix(axis_angle)
    again = axis_angle_to_matrix(matrix_to_axis_angle(matrix))
    torch.testing.assert_close(again, matrix, rtol=0, atol=3e-6)


def test_angle_above_pi_comes_back_short():
    axis_angle = torch.tensor([[0.0, 1.5 * math.pi, 0.0]], dtype=torch.float64)
    result = matrix_to_axis_angle(axis_angle_to_matrix(axis_angle))
    torch.testing.assert_close(
        result, torch.tensor([[0.0, -0.5 * math.pi, 0.0]], dtype=torch.float64)
    )


def test_6d_is_the_first_two_columns():
    matrix = torch.arange(9.0).reshape(3, 3)
    assert matrix_to_rotation_6d(matrix).tolist() == [0, 3, 6, 1, 4, 7]


def test_6d_orthonormalises_like_gram_schmidt():
    pose_6d = torch.randn(20, 6, dtype=torch.float64) * 5
    matrix = rotation_6d_to_matrix(pose_6d)
    identity = torch.eye(3, dtype=torch.float64).expand(20, 3, 3)
    torch.testing.assert_close(matrix.mT @ matrix, identity)
    torch.testing.assert_close(torch.linalg.det(matrix), torch.ones(20, dtype=torch.float64))
    for columns, result in zip(pose_6d.numpy(), matrix.numpy(), strict=True):
        q, r = np.linalg.qr(np.stack([columns[:3], columns[3:]], axis=1))
        np.testing.assert_allclose(result[:, :2], q * np.sign(np.diag(r)), atol=1e-12)


def test_quaternion_agrees_with_scipy():
    """Real part first; quaternions of any length and either sign."""
    quaternion = 5 * torch.randn(500, 4, dtype=torch.float64)
    xyzw = quaternion.roll(-1, dims=-1).numpy()
    wanted = Rotation.from_quat(xyzw).as_matrix()
    for same in (quaternion, -quaternion, 1e-3 * quaternion):
        result = quaternion_to_matrix(same)
        torch.testing.assert_close(result, torch.from_numpy(wanted), rtol=0, atol=1e-14)


@pytest.mark.parametrize("angle", ANGLES)
def test_matrix_to_quaternion_agrees_with_scipy(angle):
    matrix = scipy_matrix(axis_angles_at(angle))
    quaternion = matrix_to_quaternion(matrix)
    xyzw = torch.from_numpy(Rotation.from_matrix(matrix.numpy()).as_quat())
    wanted = xyzw.roll(1, dims=-1)
    assert (quaternion[:, 0] >= 0).all()
    same_sign = (quaternion * wanted).sum(-1, keepdim=True).sign()  # either, at half turns
    torch.testing.assert_close(quaternion, same_sign * wanted, rtol=0, atol=1e-13)
    torch.testing.assert_close(quaternion_to_matrix(quaternion), matrix, rtol=0, atol=1e-14)


def test_quaternion_of_a_quarter_turn_about_z():
    half = math.sqrt(0.5)
    matrix = quaternion_to_matrix(torch.tensor([half, 0, 0, half], dtype=torch.float64))
    expected = torch.tensor([[0.0, -1, 0], [1, 0, 0], [0, 0, 1]], dtype=torch.float64)
    torch.testing.assert_close(matrix, expected)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("length", [0.0, 1e-30, 1e-12, 1e-3])
def test_short_quaternions_stay_finite(length, dtype):
    quaternion = (
        length * torch.nn.functional.normalize(torch.randn(20, 4, dtype=dtype), dim=-1)
    ).requires_grad_()
    matrix = quaternion_to_matrix(quaternion)
    (matrix * torch.rand(3, 3)).sum().backward()
    assert matrix.isfinite().all() and quaternion.grad.isfinite().all()
    if length == 0:
        assert torch.equal(matrix, torch.eye(3, dtype=dtype).expand(20, 3, 3))


def test_geodesic_angle_agrees_with_scipy():
    first, second = random_axis_angles(200, seed=1), random_axis_angles(200, seed=2)
    relative = (
        Rotation.from_rotvec(first.numpy()).inv() * Rotation.from_rotvec(second.numpy())
    ).magnitude()
    result = geodesic_angle(scipy_matrix(first), scipy_matrix(second))
    torch.testing.assert_close(result, torch.from_numpy(relative), rtol=0, atol=1e-12)


@pytest.mark.parametrize("angle", ANGLES)
def test_geodesic_angle_of_known_angles(angle):
    base = scipy_matrix(random_axis_angles(56, seed=3))
    result = geodesic_angle(base, base @ scipy_matrix(axis_angles_at(angle)))
    expected = torch.full_like(result, angle)
    torch.testing.assert_close(result, expected, rtol=0, atol=1e-14 if angle == 0 else 1e-12)


def test_mirror_is_conjugation_by_the_mirror():
    axis_angle = random_axis_angles(100)
    matrix = scipy_matrix(axis_angle)
    mirrored = MIRROR @ matrix @ MIRROR
    torch.testing.assert_close(mirror_rotation(matrix), mirrored)
    torch.testing.assert_close(scipy_matrix(mirror_axis_angle(axis_angle)), mirrored)
    assert mirror_axis_angle(torch.tensor([1.0, 2.0, 3.0])).tolist() == [1, -2, -3]
    assert torch.equal(mirror_rotation(mirror_rotation(matrix)), matrix)


@pytest.mark.parametrize("angle", [0.0, 1e-3, 0.0099, 0.0101, 0.0201, 1.0, 3.1])
def test_axis_angle_gradient(angle):
    axis_angle = axis_angles_at(angle)[:5].requires_grad_()
    assert torch.autograd.gradcheck(axis_angle_to_matrix, axis_angle)


@pytest.mark.parametrize("angle", [0.0, 1e-3, 0.0199, 0.0201, 1.0, 3.1])
def test_matrix_to_axis_angle_gradient(angle):
    tangent = axis_angles_at(angle)[:5].requires_grad_()
    assert torch.autograd.gradcheck(
        lambda vector: matrix_to_axis_angle(axis_angle_to_matrix(vector)), tangent
    )


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("angle", ANGLES)
def test_gradients_are_finite_everywhere(angle, dtype):
    axis_angle = axis_angles_at(angle).to(dtype)
    matrix = axis_angle_to_matrix(axis_angle)
    identity = torch.eye(3, dtype=dtype).expand_as(matrix)
    cases = [
        (axis_angle_to_matrix, axis_angle),
        (matrix_to_axis_angle, matrix),
        (lambda rotation: geodesic_angle(rotation, identity), matrix),
        (lambda rotation: geodesic_angle(identity, rotation), matrix),
        (rotation_6d_to_matrix, matrix_to_rotation_6d(matrix)),
    ]
    for function, value in cases:
        value = value.detach().clone().requires_grad_()
        weights = torch.rand_like(function(value))
        (function(value) * weights).sum().backward()
        assert value.grad.isfinite().all()


def test_gradient_of_6d_and_angle():
    pose_6d = torch.randn(4, 6, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(rotation_6d_to_matrix, pose_6d)
    target = scipy_matrix(random_axis_angles(4))
    assert torch.autograd.gradcheck(
        lambda value: geodesic_angle(rotation_6d_to_matrix(value), target), pose_6d
    )


def test_gradient_of_quaternions():
    quaternion = torch.randn(4, 4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(quaternion_to_matrix, quaternion)


def test_autocast_does_not_round():
    axis_angle = random_axis_angles(10).float()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        matrix = axis_angle_to_matrix(axis_angle)
        angle = geodesic_angle(matrix, matrix.flip(0))
        pose = rotation_6d_to_matrix(matrix_to_rotation_6d(matrix))
        turned = quaternion_to_matrix(matrix_to_quaternion(matrix))
    assert torch.equal(matrix, axis_angle_to_matrix(axis_angle))
    assert torch.equal(angle, geodesic_angle(matrix, matrix.flip(0)))
    assert torch.equal(pose, rotation_6d_to_matrix(matrix_to_rotation_6d(matrix)))
    assert torch.equal(turned, quaternion_to_matrix(matrix_to_quaternion(matrix)))
