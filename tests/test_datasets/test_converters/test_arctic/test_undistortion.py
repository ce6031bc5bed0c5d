import cv2
import numpy as np
import pytest

from handvit.datasets.converters.arctic.undistortion import Undistortion, largest_radius
from handvit.datasets.shards.image_codec import decode_pixels

SIZE = (320, 240)
INTRINSICS = np.array([[260.0, 0, 163.0], [0, 255.0, 117.0], [0, 0, 1]])
DISTORTION = np.array([0.35, -0.12, 0.003, -0.002, 0.02, 0.6, 0.05, 0.01])


def distorted(points_img, distortion=DISTORTION):
    """Move pinhole pixels (N, 2) to where the lens draws them, by the data set's own formula."""
    center, focal = INTRINSICS[:2, 2], INTRINSICS[[0, 1], [0, 1]]
    x, y = ((points_img - center) / focal).T
    k1, k2, p1, p2, k3, k4, k5, k6 = distortion
    r2 = x * x + y * y
    radial = (1 + k1 * r2 + k2 * r2**2 + k3 * r2**3) / (1 + k4 * r2 + k5 * r2**2 + k6 * r2**3)
    moved_x = x * radial + 2 * p1 * x * y + p2 * (r2 + 2 * x * x)
    moved_y = y * radial + 2 * p2 * x * y + p1 * (r2 + 2 * y * y)
    return np.stack([moved_x, moved_y], axis=-1) * focal + center


def dot(point_img):
    """A picture with one soft white dot, whose weighted mean is the point."""
    x, y = np.meshgrid(*map(np.arange, SIZE))
    squared = (x - point_img[0]) ** 2 + (y - point_img[1]) ** 2
    return np.repeat((255 * np.exp(-squared / 5))[..., None].round().astype(np.uint8), 3, axis=2)


def mean_of_light(picture):
    light = picture[..., 0].astype(float)
    x, y = np.meshgrid(*map(np.arange, SIZE))
    return np.array([(light * x).sum(), (light * y).sum()]) / light.sum()


@pytest.fixture
def undistortion():
    return Undistortion(INTRINSICS, distortion=DISTORTION, size=SIZE)


@pytest.mark.parametrize("point", [(163, 117), (30, 30), (290, 40), (40, 200), (280, 215)])
def test_points_come_to_lie_where_a_pinhole_camera_sees_them(undistortion, point):
    seen = distorted(np.array([point], float))[0]
    assert point == (163, 117) or np.linalg.norm(seen - point) > 5  # px: the lens matters
    found = mean_of_light(undistortion.resample(dot(seen)))
    np.testing.assert_allclose(found, point, atol=0.1)


def test_no_distortion_changes_nothing():
    picture = cv2.resize(np.random.default_rng(0).integers(0, 256, (8, 9, 3), np.uint8), SIZE)
    same = Undistortion(INTRINSICS, distortion=np.zeros(8), size=SIZE).resample(picture)
    np.testing.assert_array_equal(same, picture)


def test_what_the_lens_did_not_see_is_black():
    """With this k1 rays beyond a radius of 0.577 would be drawn inwards again."""
    folding = np.array([-1.0, 0, 0, 0, 0, 0, 0, 0])
    assert largest_radius(folding) == pytest.approx(np.sqrt(1 / 3), abs=2e-3)
    white = np.full((240, 320, 3), 255, np.uint8)
    seen = Undistortion(INTRINSICS, distortion=folding, size=SIZE).resample(white)
    assert seen[117, 163, 0] == 255
    assert seen[117, 163 - 149, 0] == 255 and seen[117, 163 - 151, 0] == 0  # 0.577 * 260 px


def test_images_lie_where_the_model_holds():
    corner = np.hypot(163 / 260, 122 / 255)
    assert corner < largest_radius(DISTORTION) < np.inf


@pytest.mark.parametrize(
    ("coefficients", "radius"),
    [
        ({}, np.inf),
        ({"p1": -1.0, "p2": -1.0}, np.inf),  # a shift, which no radius limits
        ({"k1": -0.1}, np.sqrt(10 / 3)),  # where 1 + 3 k1 r^2 = 0, and so on
        ({"k2": -0.1}, 2 ** (1 / 4)),
        ({"k3": -0.1}, (10 / 7) ** (1 / 6)),
        ({"k4": 0.25}, 2.0),  # r / (1 + r^2 / 4)
        ({"k5": 1 / 3}, 1.0),
        ({"k6": 0.2}, 1.0),
        ({"k4": -0.25}, 2.0),  # a pole
    ],
)
def test_radius_of_the_domain_by_hand(coefficients, radius):
    names = ("k1", "k2", "p1", "p2", "k3", "k4", "k5", "k6")
    distortion = np.array([coefficients.get(name, 0.0) for name in names])
    assert largest_radius(distortion) == pytest.approx(radius, abs=2e-3)


def test_files(undistortion, tmp_path, write_picture):
    path = tmp_path / "00010.jpg"
    write_picture(path, dot(distorted(np.array([[60.0, 70.0]]))[0]))
    np.testing.assert_allclose(
        mean_of_light(decode_pixels(undistortion.read(path))), (60, 70), atol=0.3
    )
    with pytest.raises(FileNotFoundError):
        undistortion.read(tmp_path / "00011.jpg")


def test_files_of_another_size_or_kind_stay_as_they_are(undistortion, tmp_path, write_picture):
    path = tmp_path / "00010.png"
    write_picture(path, np.zeros((100, 120, 3), np.uint8))
    assert undistortion.read(path) == path.read_bytes()
    path.write_bytes(b"\xff\xd8\xff no image")
    assert undistortion.read(path) == path.read_bytes()
