"""Convert, compare and mirror rotations.

Matrices act on columns (``x' = R x``). All functions take any leading dims and have finite
gradients everywhere, the identity and half turns included.
"""

import torch
from torch import Tensor

from handvit.geometry.matrices import matrix_product

#: Below this squared angle, power series replace 0 / 0; their next terms are below 1e-13.
_SERIES_BELOW = 1e-4


def axis_angle_to_matrix(axis_angle: Tensor) -> Tensor:
    """Turn rotation vectors into matrices (Rodrigues' formula), (..., 3) rad -> (..., 3, 3)."""
    squared_angle = axis_angle.square().sum(-1)[..., None, None]  # (..., 1, 1)
    identity = torch.eye(3, dtype=axis_angle.dtype, device=axis_angle.device)
    outer = axis_angle[..., :, None] * axis_angle[..., None, :]  # (..., 3, 3)
    squared_skew = outer - squared_angle * identity
    sine_term = _sinc(squared_angle) * _skew(axis_angle)
    cosine_term = 0.5 * _sinc(squared_angle / 4).square() * squared_skew
    return identity + sine_term + cosine_term


def matrix_to_axis_angle(matrix: Tensor) -> Tensor:
    """Turn rotation matrices into rotation vectors with angles in [0, pi], (..., 3) rad."""
    quaternion = matrix_to_quaternion(matrix)
    real, imaginary = quaternion[..., :1], quaternion[..., 1:]
    squared_sine = imaginary.square().sum(-1, keepdim=True)  # sin(angle / 2)^2
    is_small = squared_sine < _SERIES_BELOW
    sine = torch.where(is_small, 1.0, squared_sine).sqrt()
    series = 1 + squared_sine * (1 / 6 + squared_sine * 3 / 40)
    half_angle_over_sine = torch.where(is_small, series, torch.atan2(sine, real) / sine)
    return 2 * half_angle_over_sine * imaginary


def rotation_6d_to_matrix(pose_6d: Tensor) -> Tensor:
    """Turn 6D rotations into matrices, (..., 6) -> (..., 3, 3) (Zhou et al. 2019, eq. 15).

    Args:
        pose_6d: the first two *columns*, one after the other; they need not be orthonormal.
    """
    first, second = pose_6d[..., :3], pose_6d[..., 3:]
    x_axis = torch.nn.functional.normalize(first, dim=-1)
    along_x = (x_axis * second).sum(-1, keepdim=True) * x_axis
    y_axis = torch.nn.functional.normalize(second - along_x, dim=-1)
    z_axis = torch.linalg.cross(x_axis, y_axis, dim=-1)
    return torch.stack([x_axis, y_axis, z_axis], dim=-1)  # (..., 3, 3), axes are columns


def matrix_to_rotation_6d(matrix: Tensor) -> Tensor:
    """Keep the first two columns of rotation matrices, (..., 3, 3) -> (..., 6)."""
    return torch.cat([matrix[..., :, 0], matrix[..., :, 1]], dim=-1)


def quaternion_to_matrix(quaternion: Tensor) -> Tensor:
    """Turn quaternions (w, x, y, z) into rotation matrices, (..., 4) -> (..., 3, 3).

    They need not be of length 1; q and -q are one rotation, and zero is the identity.
    """
    unit = torch.nn.functional.normalize(quaternion, dim=-1)
    real, imaginary = unit[..., :1, None], unit[..., 1:]  # (..., 1, 1), (..., 3)
    outer = imaginary[..., :, None] * imaginary[..., None, :]  # (..., 3, 3)
    identity = torch.eye(3, dtype=unit.dtype, device=unit.device)
    squared_length = imaginary.square().sum(-1)[..., None, None]
    return identity + 2 * (real * _skew(imaginary) + outer - squared_length * identity)


def matrix_to_quaternion(matrix: Tensor) -> Tensor:
    """Turn rotation matrices into unit quaternions (w, x, y, z) with w >= 0, (..., 4).

    The entries of 4 q q^T are sums of entries of the matrix. Each row is a multiple of q; the one
    with the largest diagonal entry is at least 2 long, so dividing by its length is always safe.
    """
    m00, m01, m02, m10, m11, m12, m20, m21, m22 = matrix.flatten(-2).unbind(-1)
    diagonal = [1 + m00 + m11 + m22, 1 + m00 - m11 - m22, 1 - m00 + m11 - m22, 1 - m00 - m11 + m22]
    wx, wy, wz = m21 - m12, m02 - m20, m10 - m01
    xy, xz, yz = m10 + m01, m20 + m02, m21 + m12
    ww, xx, yy, zz = diagonal
    rows = [ww, wx, wy, wz, wx, xx, xy, xz, wy, xy, yy, yz, wz, xz, yz, zz]
    outer = torch.stack(rows, dim=-1).unflatten(-1, (4, 4))  # (..., 4, 4)
    best = torch.stack(diagonal, dim=-1).argmax(-1)  # (...)
    row = outer.gather(-2, best[..., None, None].expand(*best.shape, 1, 4)).squeeze(-2)  # (..., 4)
    row = torch.where(row[..., :1] < 0, -row, row)
    return torch.nn.functional.normalize(row, dim=-1)


def geodesic_angle(first: Tensor, second: Tensor) -> Tensor:
    """Measure the angle between two rotations, (..., 3, 3) twice -> (...) rad in [0, pi]."""
    relative = matrix_product(first.transpose(-1, -2), second)
    return torch.linalg.vector_norm(matrix_to_axis_angle(relative), dim=-1)


def mirror_points(points: Tensor) -> Tensor:
    """Flip points in x, (..., 3): what happens to space when an image is mirrored."""
    return points * points.new_tensor([-1.0, 1.0, 1.0])


def mirror_rotation(matrix: Tensor) -> Tensor:
    """Mirror rotations in x, for hands of the other side: M R M with M = diag(-1, 1, 1)."""
    signs = matrix.new_tensor([[1.0, -1.0, -1.0], [-1.0, 1.0, 1.0], [-1.0, 1.0, 1.0]])
    return matrix * signs


def mirror_axis_angle(axis_angle: Tensor) -> Tensor:
    """Mirror rotation vectors in x: (x, y, z) -> (x, -y, -z), (..., 3) rad."""
    return axis_angle * axis_angle.new_tensor([1.0, -1.0, -1.0])


def _sinc(squared_angle: Tensor) -> Tensor:
    """Return sin(a) / a as a smooth function of a^2."""
    is_small = squared_angle < _SERIES_BELOW
    angle = torch.where(is_small, 1.0, squared_angle).sqrt()
    series = 1 - squared_angle / 6 * (1 - squared_angle / 20)
    return torch.where(is_small, series, angle.sin() / angle)


def _skew(vector: Tensor) -> Tensor:
    """Return the matrix of the cross product with ``vector``, (..., 3, 3)."""
    x, y, z = vector.unbind(-1)
    zero = torch.zeros_like(x)
    rows = [zero, -z, y, z, zero, -x, -y, x, zero]
    return torch.stack(rows, dim=-1).unflatten(-1, (3, 3))
