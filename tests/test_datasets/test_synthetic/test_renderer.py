import numpy as np
import pytest
import torch

from handvit.datasets.synthetic.appearance import Lighting
from handvit.datasets.synthetic.renderer import SceneMesh, render
from handvit.geometry.camera import project

LIGHT = Lighting(torch.full((3,), 1.0), torch.tensor([[0.0, 0, -1]]), torch.zeros(1, 3))
FOCAL = torch.tensor([[60.0, 66.0], [60.0, 66.0]]).double()
PRINCPT = torch.tensor([[20.3, 17.6], [20.3, 17.6]]).double()


def _square(num_frames=2):
    """A square that faces the camera, and moves to the right."""
    corners = torch.tensor([[-1.0, -1, 0], [1, -1, 0], [1, 1, 0], [-1, 1, 0]]) * 0.11
    place = torch.tensor([[0.0, 0.02, 1.0], [0.1, 0.02, 1.0]])[:num_frames]
    return SceneMesh(
        vertices_cam=corners + place[:, None],
        faces=torch.tensor([[0, 2, 1], [0, 3, 2]]),
        albedo=torch.tensor([0.2, 0.4, 0.6]).expand(4, 3),
        gloss=torch.zeros(4),
        keypoints_cam=torch.full((num_frames, 21, 3), 9.0),
    )


@pytest.mark.parametrize("size", [40, 41])
def test_picture_lies_where_the_camera_sees_the_mesh(size):
    """The middle of what is covered is the projected middle, to a hundredth of a pixel."""
    mesh = _square()
    images = render(mesh, LIGHT, focal=FOCAL, princpt=PRINCPT, size=size)
    assert images.shape == (2, size, size, 4) and images.dtype == np.float32
    expected = project(mesh.vertices_cam.double(), FOCAL, PRINCPT)
    for image, corners in zip(images, expected.numpy(), strict=True):
        coverage = image[..., 3]
        rows, columns = np.mgrid[:size, :size]
        middle = [(coverage * grid).sum() / coverage.sum() for grid in (columns, rows)]
        np.testing.assert_allclose(middle, corners.mean(0), atol=0.26)  # half a fine pixel
        area = np.prod(corners.max(0) - corners.min(0))
        assert coverage.sum() == pytest.approx(area, rel=0.08)


def test_whole_pixels_are_covered_exactly():
    """Corners on pixel borders: coverage is 0 or 1, so no border is half a pixel off."""
    mesh = _square(1)
    focal, princpt = torch.full((1, 2), 100.0).double(), torch.tensor([[20.5, 18.5]]).double()
    # x from 20.5 - 11 to 20.5 + 11, y from 20.5 - 11 to 20.5 + 11.
    image = render(mesh, LIGHT, focal=focal, princpt=princpt, size=40)[0]
    expected = np.zeros((40, 40))
    expected[10:32, 10:32] = 1
    np.testing.assert_allclose(image[..., 3], expected, atol=1e-6)


def test_colour_is_premultiplied():
    image = render(_square(), LIGHT, focal=FOCAL, princpt=PRINCPT, size=40)[0]
    expected = image[..., 3:] * np.array([0.2, 0.4, 0.6])
    np.testing.assert_allclose(image[..., :3], expected, atol=1e-5)


def test_frames_are_a_slice():
    mesh = _square()
    both = render(mesh, LIGHT, focal=FOCAL, princpt=PRINCPT, size=40)
    last = render(mesh.frames(slice(1, 2)), LIGHT, focal=FOCAL[1:], princpt=PRINCPT[1:], size=40)
    np.testing.assert_array_equal(both[1:], last)
