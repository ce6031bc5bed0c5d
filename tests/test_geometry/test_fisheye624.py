import math

import numpy as np
import pytest
import torch

from handvit.geometry.fisheye624 import (
    fisheye624_max_angle,
    fisheye624_project,
    fisheye624_resolution,
    fisheye624_unproject,
)

RADIAL = [0.0439829417, -0.0448598638, 0.0161320996, -0.0109288329, 0.0035128235, -0.0005242147]
QUEST3 = [504.5934753, 504.5934753, 638.3945923, 509.4228516, *RADIAL]
QUEST3 += [0.0004775495, -0.0000474478, 0, 0, 0, 0]
# Every coefficient differs from zero, and the two axes differ.
RICH = [500.0, 520.0, 630.0, 515.0, *RADIAL, 0.004, -0.003, 0.002, -0.001, -0.003, 0.0015]
ARIA = [250.0, 322.0, 241.0, -0.02, 0.08, -0.05, 0.008, 0.0005, -0.0003]
ARIA += [0.0004, -0.0015, 0.0012, -0.0002, 0.0016, -0.0001]
CAMERAS = {
    "quest3": (QUEST3, (1280, 1024)),
    "aria": (ARIA, (640, 480)),
    "rich": (RICH, (1280, 1024)),
}


def reference(point, params):
    """The published formula, one point and plain numbers."""
    if len(params) == 15:
        params = [params[0], *params]
    fx, fy, cx, cy, *k = params[:10]
    p1, p2, s1, s2, s3, s4 = params[10:]
    x, y, z = point
    theta, phi = math.atan2(math.hypot(x, y), z), math.atan2(y, x)
    radius = theta + sum(k[i] * theta ** (2 * i + 3) for i in range(6))
    u, v = radius * math.cos(phi), radius * math.sin(phi)
    r2 = u * u + v * v
    du = 2 * p2 * u * v + p1 * (r2 + 2 * u * u) + s1 * r2 + s2 * r2 * r2
    dv = 2 * p1 * u * v + p2 * (r2 + 2 * v * v) + s3 * r2 + s4 * r2 * r2
    return [fx * (u + du) + cx, fy * (v + dv) + cy]


def tensor(values):
    return torch.tensor(values, dtype=torch.float64)


def pixel_grid(size, step=16):
    x, y = torch.meshgrid(
        torch.arange(0, size[0], step), torch.arange(0, size[1], step), indexing="ij"
    )
    return torch.stack([x, y], dim=-1).flatten(0, 1).double()


def random_points(*leading):
    points = torch.rand(*leading, 3, dtype=torch.float64) - 0.5
    points[..., 2] += 0.6  # up to 80 degrees off the axis
    return points


def test_published_values():
    points = tensor([[0, 0, 1], [0.3, 0.1, 0.5], [-0.5, 0.4, 0.3]])
    expected = tensor([[638.395, 509.423], [911.232, 600.335], [194.192, 865.000]])
    pixels = fisheye624_project(points, tensor(QUEST3))
    torch.testing.assert_close(pixels, expected, atol=6e-4, rtol=0)


def test_a_lens_without_coefficients_is_equidistant():
    params = tensor([100, 50, 40, *[0] * 12])
    angle = tensor([0.0, 0.2, 1.0, 2.0])
    points = torch.stack([angle.sin(), torch.zeros(4).double(), angle.cos()], dim=-1)
    expected = torch.stack([100 * angle + 50, torch.full((4,), 40.0).double()], dim=-1)
    torch.testing.assert_close(fisheye624_project(points, params), expected)


@pytest.mark.parametrize("name", CAMERAS)
@pytest.mark.parametrize("leading", [(), (3,), (2, 4)])
def test_shapes_and_reference(name, leading):
    params = CAMERAS[name][0]
    points = random_points(*leading, 21)
    points[..., :4, :2] *= 9e-4  # beside the axis
    batched = tensor(params).expand(*leading, -1)
    pixels = fisheye624_project(points, batched)
    assert pixels.shape == (*leading, 21, 2)
    expected = [reference(point, params) for point in points.reshape(-1, 3).tolist()]
    np.testing.assert_allclose(pixels.reshape(-1, 2).numpy(), expected, rtol=0, atol=1e-9)
    rays = fisheye624_unproject(pixels, batched)
    torch.testing.assert_close(rays, points / points.norm(dim=-1, keepdim=True))


def test_one_focal_length_serves_both_axes():
    twice = tensor([ARIA[0], *ARIA])
    points = random_points(50)
    torch.testing.assert_close(
        fisheye624_project(points, tensor(ARIA)), fisheye624_project(points, twice)
    )
    with pytest.raises(AssertionError, match="14 parameters"):
        fisheye624_project(points, tensor(ARIA[1:]))


@pytest.mark.parametrize("name", CAMERAS)
def test_every_pixel_of_the_image_circle_comes_back(name):
    params, size = tensor(CAMERAS[name][0]), CAMERAS[name][1]
    pixels = pixel_grid(size)
    rays = fisheye624_unproject(pixels, params)
    seen = ~rays.isnan().any(-1)
    assert seen.double().mean() > 0.9
    torch.testing.assert_close(rays[seen].norm(dim=-1), torch.ones(seen.sum()).double())
    gap = (fisheye624_project(rays[seen], params) - pixels[seen]).norm(dim=-1)
    assert gap.max() < 1e-6
    # The rest lies outside of the circle: farther from the middle than all that is seen.
    middle = (pixels - params[-14:-12]).norm(dim=-1)
    assert not (~seen).any() or middle[~seen].min() > 0.95 * middle[seen].max()


def test_unprojecting_takes_float32_and_pixels_far_outside():
    params = tensor(QUEST3).float()
    rays = fisheye624_unproject(torch.tensor([[900.0, 300.0], [1e5, -1e5]]), params)
    assert rays.dtype == torch.float64
    assert rays[0].isfinite().all() and rays[1].isnan().all()


def test_the_lens_model_ends_where_a_prism_folds_it():
    """The radius grows up to 180 degrees, but the prism moves pixels back faster."""
    prism = tensor([100, 50, 40, *[0] * 8, 0, -0.05, 0, 0])
    limit = float(fisheye624_max_angle(prism))
    slope = 1 - 4 * 0.05 * limit**3  # d/dx of x - 0.05 x^4
    assert slope == pytest.approx(0, abs=0.05) and limit < 1.8


def test_the_lens_model_ends_where_the_radius_stops_growing():
    limit = fisheye624_max_angle(tensor([QUEST3, RICH]))
    assert limit.shape == (2,) and 89 < math.degrees(limit[0]) < 91
    angles = torch.linspace(0, float(limit[0]), 200, dtype=torch.float64)
    points = torch.stack([angles.sin(), 0 * angles, angles.cos()], dim=-1)
    plain = tensor([*QUEST3[:10], *[0] * 6])
    assert (fisheye624_project(points, plain)[:, 0].diff() > 0).all()
    beyond = tensor([[math.sin(limit[0] + 0.1), 0.0, math.cos(limit[0] + 0.1)]])
    assert fisheye624_project(beyond, plain)[0, 0] < fisheye624_project(points, plain)[-1, 0]
    assert float(fisheye624_max_angle(tensor([1, 0, 0, *[0] * 12]))) == pytest.approx(math.pi)


@pytest.mark.parametrize("name", CAMERAS)
def test_gradients(name):
    params = tensor(CAMERAS[name][0])
    points = random_points(5)
    points[0, :2] = 0  # on the axis
    points[1, :2] *= 1e-4  # beside it
    points.requires_grad_()
    assert torch.autograd.gradcheck(fisheye624_project, (points, params.requires_grad_()))


def test_gradients_are_finite_everywhere():
    points = tensor([[0, 0, 1], [1e-9, 0, 1], [0, 0, -1], [0, 0, 0], [1, 0, 0], [1, 1, -1]])
    for dtype in (torch.float32, torch.float64):
        leaf = points.to(dtype).requires_grad_()
        fisheye624_project(leaf, tensor(RICH).to(dtype)).sum().backward()
        assert leaf.grad.isfinite().all(), leaf.grad


@pytest.mark.parametrize("name", CAMERAS)
def test_resolution_is_the_size_of_a_small_patch(name):
    params = tensor(CAMERAS[name][0])
    ray = torch.nn.functional.normalize(tensor([0.5, -0.3, 0.8]), dim=0)
    right = torch.nn.functional.normalize(torch.linalg.cross(tensor([0, 1, 0]), ray), dim=0)
    down = torch.linalg.cross(ray, right)
    step = 1e-4  # rad
    corners = [ray, ray + step * right, ray + step * down]
    origin, x, y = fisheye624_project(torch.stack(corners), params)
    area = torch.linalg.det(torch.stack([x - origin, y - origin])).abs()
    assert float(fisheye624_resolution(ray, params)) == pytest.approx(
        float(area.sqrt()) / step, rel=1e-3
    )
    middle = fisheye624_resolution(tensor([0, 0, 1]), tensor(QUEST3))
    assert float(middle) == pytest.approx(QUEST3[0])
