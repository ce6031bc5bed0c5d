import numpy as np
import pytest
import torch

from handvit.geometry.camera import (
    intrinsics_matrix,
    pixel_rays,
    project,
    project_in_front,
    unit_rays,
    unproject,
)

FOCAL = torch.tensor([600.0, 610.0], dtype=torch.float64)
PRINCPT = torch.tensor([319.5, 239.5], dtype=torch.float64)


def random_camera(*leading: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    focal = 500 + 100 * torch.rand(*leading, 2, dtype=torch.float64)
    princpt = 200 + 100 * torch.rand(*leading, 2, dtype=torch.float64)
    points = torch.rand(*leading, 21, 3, dtype=torch.float64) + torch.tensor([-0.5, -0.5, 0.2])
    return focal, princpt, points


def test_hand_computed():
    points = torch.tensor([[0.0, 0.0, 2.0], [0.1, -0.2, 0.5]], dtype=torch.float64)
    expected = torch.tensor([[319.5, 239.5], [439.5, -4.5]], dtype=torch.float64)
    torch.testing.assert_close(project(points, FOCAL, PRINCPT), expected)


def test_points_behind_are_projected_as_if_a_centimetre_in_front():
    points = torch.tensor([[0.1, -0.2, 0.5], [0.1, -0.2, -3.0], [0.1, 0.0, 0.0]]).double()
    points.requires_grad_()
    pixels = project_in_front(points, FOCAL, PRINCPT)
    near = torch.tensor([[0.1, -0.2, 0.5], [0.1, -0.2, 0.01], [0.1, 0.0, 0.01]]).double()
    torch.testing.assert_close(pixels, project(near, FOCAL, PRINCPT))
    pixels.sum().backward()
    assert points.grad.isfinite().all()
    assert points.grad[:, 2].ne(0).tolist() == [True, False, False]


def test_axes_are_right_down_forward():
    points = torch.tensor([[0.1, 0.0, 1.0], [0.0, 0.1, 1.0]], dtype=torch.float64)
    right, down = project(points, FOCAL, PRINCPT) - PRINCPT
    assert right[0] > 0 and right[1] == 0
    assert down[0] == 0 and down[1] > 0


@pytest.mark.parametrize("leading", [(), (3,), (2, 4)])
def test_round_trip_shapes_and_matrix_reference(leading):
    focal, princpt, points = random_camera(*leading)
    pixels = project(points, focal, princpt)
    assert pixels.shape == (*leading, 21, 2)
    torch.testing.assert_close(unproject(pixels, points[..., 2], focal, princpt), points)
    homogeneous = np.einsum(
        "...ij,...nj->...ni", intrinsics_matrix(focal, princpt).numpy(), points.numpy()
    )
    np.testing.assert_allclose(pixels.numpy(), homogeneous[..., :2] / homogeneous[..., 2:])


def test_rays():
    focal, princpt, points = random_camera(2, 4)
    pixels = project(points, focal, princpt)
    rays, units = pixel_rays(pixels, focal, princpt), unit_rays(pixels, focal, princpt)
    torch.testing.assert_close(rays, points / points[..., 2:])
    torch.testing.assert_close(units, points / points.norm(dim=-1, keepdim=True))


def test_depth_is_along_z_not_along_the_ray():
    corner = torch.tensor([[0.0, 0.0]], dtype=torch.float64)
    point = unproject(corner, torch.tensor([0.7], dtype=torch.float64), FOCAL, PRINCPT)
    assert point[0, 2] == 0.7 and point.norm() > 0.8


def test_intrinsics_matrix_layout():
    matrix = intrinsics_matrix(FOCAL, PRINCPT)
    assert matrix.tolist() == [[600, 0, 319.5], [0, 610, 239.5], [0, 0, 1]]


def test_gradients():
    focal, princpt, points = (tensor.requires_grad_() for tensor in random_camera(2))
    assert torch.autograd.gradcheck(project, (points, focal, princpt))
    pixels = project(points, focal, princpt).detach().requires_grad_()
    depth = points[..., 2].detach().clone().requires_grad_()
    assert torch.autograd.gradcheck(unproject, (pixels, depth, focal, princpt))
    assert torch.autograd.gradcheck(unit_rays, (pixels, focal, princpt))
    assert torch.autograd.gradcheck(intrinsics_matrix, (focal, princpt))
