import numpy as np
import pytest
import torch

from handvit.geometry.camera import project
from handvit.geometry.rasterizer import interpolate, rasterize, vertex_normals

HEIGHT, WIDTH = 22, 30
FOCAL, PRINCPT = torch.tensor([25.0, 20.0]).double(), torch.tensor([13.3, 9.1]).double()


def _to_image(vertices_cam):
    return torch.cat([project(vertices_cam, FOCAL, PRINCPT), vertices_cam[..., 2:]], dim=-1)


def _random_triangles(num_faces):
    center = torch.randn(num_faces, 1, 3, dtype=torch.float64) * torch.tensor([0.4, 0.4, 0.3])
    corners = center + 0.35 * torch.randn(num_faces, 3, 3, dtype=torch.float64)
    vertices = corners.flatten(0, 1) + torch.tensor([0.0, 0, 2.5])
    return vertices, torch.arange(3 * num_faces).view(-1, 3)


def _reference(vertices_cam, faces):
    """Cast a ray through each pixel centre: {pixel: (face, barycentric, depth)}, and doubts."""
    hits, doubtful = {}, set()
    for row in range(HEIGHT):
        for column in range(WIDTH):
            pixel = row * WIDTH + column
            x, y = (np.array([column, row]) - PRINCPT.numpy()) / FOCAL.numpy()
            for face, corners in enumerate(vertices_cam.numpy()[faces.numpy()]):
                weights = np.linalg.solve(corners.T, [x, y, 1.0])
                depth, barycentric = 1 / weights.sum(), weights / weights.sum()
                if abs(barycentric.min()) < 2e-3:
                    doubtful.add(pixel)
                if barycentric.min() >= 0 and (pixel not in hits or depth < hits[pixel][2]):
                    hits[pixel] = (face, barycentric, depth)
    return hits, doubtful


def _by_pixel(fragments):
    return {
        pixel: (face, barycentric, depth)
        for pixel, face, barycentric, depth in zip(
            fragments.pixel.tolist(),
            fragments.face.tolist(),
            fragments.barycentric.T.numpy(),
            fragments.depth.tolist(),
            strict=True,
        )
    }


def test_agrees_with_casting_rays():
    vertices, faces = _random_triangles(25)
    found = _by_pixel(rasterize(_to_image(vertices), faces, height=HEIGHT, width=WIDTH))
    expected, doubtful = _reference(vertices, faces)
    assert len(expected) > 150 and len(doubtful) < 60
    assert found.keys() - doubtful == expected.keys() - doubtful
    for pixel in expected.keys() - doubtful:
        assert found[pixel][0] == expected[pixel][0]
        np.testing.assert_allclose(found[pixel][1], expected[pixel][1], atol=1e-9)
        np.testing.assert_allclose(found[pixel][2], expected[pixel][2], rtol=1e-12)


def test_each_pixel_once():
    vertices, faces = _random_triangles(40)
    fragments = rasterize(_to_image(vertices), faces, height=HEIGHT, width=WIDTH)
    assert len(fragments.pixel.unique()) == len(fragments.pixel)


def test_depth_of_a_tilted_plane():
    # The plane z = 1 + 0.5 x - 0.3 y; z along the ray (u, v, 1) is 1 / (1 - 0.5 u + 0.3 v).
    square = torch.tensor([[-2.0, -2], [2, -2], [2, 2], [-2, 2]]).double() * 0.6
    depth = 1 + square @ torch.tensor([0.5, -0.3]).double()
    vertices = torch.cat([square, depth[:, None]], dim=1)
    faces = torch.tensor([[0, 1, 2], [0, 2, 3]])
    fragments = rasterize(_to_image(vertices), faces, height=HEIGHT, width=WIDTH)
    assert len(fragments.pixel) > 300
    pixels = torch.stack([fragments.pixel % WIDTH, fragments.pixel // WIDTH], dim=-1)
    u, v = ((pixels - PRINCPT) / FOCAL).unbind(-1)
    torch.testing.assert_close(fragments.depth, 1 / (1 - 0.5 * u + 0.3 * v))


def test_interpolation_is_perspective_correct():
    """The interpolated point of the surface projects back to the centre of its pixel."""
    vertices, faces = _random_triangles(25)
    fragments = rasterize(_to_image(vertices), faces, height=HEIGHT, width=WIDTH)
    points_img = project(interpolate(vertices, fragments), FOCAL, PRINCPT)
    pixels = torch.stack([fragments.pixel % WIDTH, fragments.pixel // WIDTH], dim=-1)
    inside = fragments.barycentric.amin(0) > 0  # the tolerance moves others by up to 1e-3 px
    torch.testing.assert_close(points_img[inside], pixels[inside].double(), rtol=0, atol=1e-9)
    torch.testing.assert_close(points_img, pixels.double(), rtol=0, atol=2e-3)


def test_pixel_centres_are_at_integers():
    triangle = torch.tensor([[2.6, 4.7, 1.0], [3.4, 4.7, 1.0], [3.0, 5.4, 1.0]])
    fragments = rasterize(triangle, torch.tensor([[0, 1, 2]]), height=HEIGHT, width=WIDTH)
    assert fragments.pixel.tolist() == [5 * WIDTH + 3]


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_nearest_wins(order):
    full = torch.tensor([[-50.0, -50, 0], [100, -50, 0], [-50, 100, 0]])
    layers = [full + torch.tensor([0, 0, depth]) for depth in (2.0, 1.5)]
    vertices = torch.cat([layers[i] for i in order])
    faces = torch.arange(6).view(2, 3)
    fragments = rasterize(vertices, faces, height=4, width=5)
    assert len(fragments.pixel) == 20
    torch.testing.assert_close(fragments.depth, torch.full((20,), 1.5))
    assert (fragments.face == order.index(1)).all()


def test_ties_go_to_the_lower_face():
    full = torch.tensor([[-50.0, -50, 1], [100, -50, 1], [-50, 100, 1]])
    faces = torch.arange(3).repeat(3, 1)
    fragments = rasterize(full, faces, height=4, width=5)
    assert (fragments.face == 0).all()


def test_a_grid_has_no_cracks():
    """Corners and edges on pixel centres belong to at least one triangle, from either side."""
    x, y = np.meshgrid(np.linspace(-2, WIDTH + 1, 17), np.arange(-1.0, HEIGHT + 2))
    vertices = torch.from_numpy(np.stack([x, y, 1 + 0.01 * x], axis=-1).reshape(-1, 3)).float()
    corner = np.arange(x.size).reshape(x.shape)
    a, b, c, d = corner[:-1, :-1], corner[:-1, 1:], corner[1:, 1:], corner[1:, :-1]
    faces = np.concatenate([np.stack([a, b, c], -1), np.stack([a, c, d], -1)]).reshape(-1, 3)
    fragments = rasterize(vertices, torch.from_numpy(faces), height=HEIGHT, width=WIDTH)
    assert fragments.pixel.sort().values.tolist() == list(range(HEIGHT * WIDTH))


def test_backfaces_are_culled():
    # Seen from outside, counter-clockwise: with y down that is this order.
    facing = torch.tensor([[2.0, 2, 1], [2, 9, 1], [9, 2, 1]])
    faces = torch.tensor([[0, 1, 2]])
    normal = torch.linalg.cross(facing[1] - facing[0], facing[2] - facing[0])
    assert normal[2] < 0  # towards the camera
    size = {"height": 12, "width": 12}
    assert len(rasterize(facing, faces, **size, cull_backfaces=True).pixel) > 20
    assert len(rasterize(facing, faces.flip(1), **size, cull_backfaces=True).pixel) == 0
    assert len(rasterize(facing, faces.flip(1), **size).pixel) > 20


@pytest.mark.parametrize(
    "corners",
    [
        [[2.0, 2, 1], [9, 2, 1], [2, 9, -0.5]],  # reaches behind the camera
        [[40.0, 2, 1], [49, 2, 1], [42, 9, 1]],  # right of the image
        [[2.0, -9, 1], [9, -9, 1], [2, -2, 1]],  # above the image
        [[2.0, 2, 1], [5, 5, 1], [9, 9, 1]],  # edge-on
        [[3.2, 3.2, 1], [3.8, 3.2, 1], [3.2, 3.8, 1]],  # between pixel centres
    ],
)
def test_nothing_to_draw(corners):
    fragments = rasterize(torch.tensor(corners), torch.tensor([[0, 1, 2]]), height=12, width=12)
    assert all(field.numel() == 0 for field in fragments)


def test_batches_are_images_one_after_the_other():
    vertices = torch.stack([_random_triangles(6)[0] for _ in range(4)])
    faces = torch.arange(18).view(6, 3)
    size = {"height": HEIGHT, "width": WIDTH}
    together = rasterize(_to_image(vertices).unflatten(0, (2, 2)), faces, **size)
    attribute = torch.randn(4, 18, 5, dtype=torch.float64)
    values = interpolate(attribute.unflatten(0, (2, 2)), together)
    for image in range(4):
        alone = rasterize(_to_image(vertices[image]), faces, **size)
        here = together.pixel // (HEIGHT * WIDTH) == image
        assert (together.pixel[here] - image * HEIGHT * WIDTH).equal(alone.pixel)
        assert together.face[here].equal(alone.face)
        torch.testing.assert_close(values[here], interpolate(attribute[image], alone))


def test_gradient_of_interpolation():
    vertices, faces = _random_triangles(5)
    fragments = rasterize(_to_image(vertices), faces, height=HEIGHT, width=WIDTH)
    attribute = torch.randn(15, 2, dtype=torch.float64, requires_grad=True)
    interpolate(attribute, fragments).sum().backward()
    assert attribute.grad.sum().item() == pytest.approx(2 * len(fragments.pixel))


def test_normals_by_hand():
    """An octahedron's normals point away from its centre; batches keep their shape."""
    vertices = torch.tensor(
        [[1.0, 0, 0], [-1, 0, 0], [0, 1, 0], [0, -1, 0], [0, 0, 1], [0, 0, -1]]
    ).double()
    quarter = [(0, 2), (2, 1), (1, 3), (3, 0)]
    faces = torch.tensor([[a, b, 4] for a, b in quarter] + [[b, a, 5] for a, b in quarter])
    torch.testing.assert_close(vertex_normals(vertices, faces), vertices)
    stretch = torch.tensor([1.0, 2.0, 3.0])[:, None, None, None] * vertices.expand(3, 2, -1, -1)
    torch.testing.assert_close(vertex_normals(stretch, faces), vertices.expand(3, 2, -1, -1))


def test_normals_weigh_faces_by_area():
    vertices = torch.tensor([[0.0, 0, 0], [4, 0, 0], [0, 1, 0], [0, 0, 1]]).double()
    faces = torch.tensor([[0, 1, 2], [0, 2, 3]])  # areas 2 (normal z) and 1/2 (normal x)
    expected = torch.tensor([0.5, 0, 2]).double()
    normal = vertex_normals(vertices, faces)[0]
    torch.testing.assert_close(normal, expected / expected.norm())
