"""Multiply small matrices at full precision.

``torch.matmul`` and ``einsum`` round to bfloat16 under autocast, which moves a point by up to a
pixel. Products and sums do not, so geometry uses these two functions instead.
"""

from torch import Tensor


def matrix_product(left: Tensor, right: Tensor) -> Tensor:
    """Multiply matrices, (..., I, K) x (..., K, J) -> (..., I, J)."""
    return (left[..., :, :, None] * right[..., None, :, :]).sum(-2)


def transform_points(matrix: Tensor, points: Tensor) -> Tensor:
    """Apply one matrix to several points, (..., I, K) and (..., N, K) -> (..., N, I)."""
    return (matrix[..., None, :, :] * points[..., None, :]).sum(-1)
