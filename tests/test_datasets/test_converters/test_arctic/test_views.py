import numpy as np
import pytest

from handvit.datasets.converters.arctic.files import ArcticSubject, EgoCamera
from handvit.datasets.converters.arctic.views import ego_camera, static_camera


@pytest.fixture
def subject():
    intrinsics = np.tile(np.eye(3), (8, 1, 1))
    intrinsics[:, 0, 0], intrinsics[:, 1, 1] = 100 + np.arange(8), 200 + np.arange(8)
    intrinsics[:, :2, 2] = [30, 40]
    world_to_cam = np.arange(8 * 16.0).reshape(8, 4, 4)
    sizes = np.array([[2800, 2000], *([width, 7] for width in range(10, 18))])
    return ArcticSubject(intrinsics, world_to_cam, sizes, 3)


@pytest.fixture
def ego():
    rng = np.random.default_rng(0)
    intrinsics = np.array([[1700.0, 0, 1399.5], [0, 1690.0, 999.5], [0, 0, 1]])
    return EgoCamera(rng.normal(size=(5, 3, 3)), rng.normal(size=(5, 3)), intrinsics, np.zeros(8))


def test_static_views_count_from_one(subject, tmp_path):
    camera = static_camera(subject, 3, 5)
    assert camera.focal.tolist() == [102, 202] and camera.princpt.tolist() == [30, 40]
    assert camera.size == (12, 7)
    assert camera.rotation.shape == (5, 3, 3) and camera.translation.shape == (5, 3)
    np.testing.assert_array_equal(camera.rotation[4], subject.world_to_cam[2, :3, :3])
    np.testing.assert_array_equal(camera.translation[4], subject.world_to_cam[2, :3, 3])
    (tmp_path / "image").write_bytes(b"as it is")
    assert camera.read(tmp_path / "image") == b"as it is"


def test_the_ego_view_is_the_published_camera(subject, ego):
    camera = ego_camera(subject, ego, scale=1.0)
    assert camera.size == (2800, 2000)
    assert camera.focal.tolist() == [1700, 1690]
    assert camera.princpt.tolist() == [1399.5, 999.5]
    np.testing.assert_array_equal(camera.rotation, ego.rotation)


def test_shrunk_images_keep_their_middle(subject, ego):
    """The middle of 2800 px is 1399.5; that of 840 px is 419.5, not 0.3 * 1399.5."""
    camera = ego_camera(subject, ego, scale=0.3)
    assert camera.size == (840, 600)
    np.testing.assert_allclose(camera.focal, [510, 507])
    np.testing.assert_allclose(camera.princpt, [419.5, 299.5])
    assert ego.intrinsics[0, 0] == 1700  # untouched
