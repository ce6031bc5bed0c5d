import pytest
import torch

from handvit.geometry.matrices import matrix_product, transform_points


@pytest.mark.parametrize("leading", [(), (4,), (2, 3)])
def test_agrees_with_matmul(leading):
    left = torch.randn(*leading, 3, 4, dtype=torch.float64)
    right = torch.randn(*leading, 4, 2, dtype=torch.float64)
    points = torch.randn(*leading, 7, 4, dtype=torch.float64)
    torch.testing.assert_close(matrix_product(left, right), left @ right)
    torch.testing.assert_close(transform_points(left, points), points @ left.mT)


def test_hand_computed():
    quarter_turn = torch.tensor([[0.0, -1.0], [1.0, 0.0]])
    assert transform_points(quarter_turn, torch.tensor([[1.0, 0.0]])).tolist() == [[0.0, 1.0]]


def test_autocast_does_not_round():
    matrix, points = torch.randn(3, 3), 1000 * torch.randn(5, 3)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        inside = transform_points(matrix, points), matrix_product(matrix, matrix)
        assert (points @ matrix.mT).dtype == torch.bfloat16  # what would happen otherwise
    assert torch.equal(inside[0], transform_points(matrix, points))
    assert torch.equal(inside[1], matrix_product(matrix, matrix))


def test_gradients():
    matrix = torch.randn(3, 3, dtype=torch.float64, requires_grad=True)
    points = torch.randn(5, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(transform_points, (matrix, points))
    assert torch.autograd.gradcheck(matrix_product, (matrix, points.mT))
