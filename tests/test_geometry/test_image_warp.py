import pytest
import torch

from handvit.geometry.boxes import mirror_bbox, square_bbox
from handvit.geometry.camera import project
from handvit.geometry.image_warp import (
    apply_homography,
    camera_homography,
    crop_camera,
    crop_homography,
    mirror_homography,
    warp_image,
)
from handvit.geometry.matrices import matrix_product, transform_points
from handvit.geometry.rotation import axis_angle_to_matrix, mirror_rotation

WIDTH, HEIGHT, CROP = 160, 120, 64
FOCAL = torch.tensor([200.0, 210.0], dtype=torch.float64)
PRINCPT = torch.tensor([82.3, 57.1], dtype=torch.float64)
POINT = torch.tensor([[0.02, -0.03, 0.6]], dtype=torch.float64)
CROP_BBOX = torch.tensor([60.2, 21.7, 116.2, 77.7], dtype=torch.float64)


def blob_image(center: torch.Tensor, sigma: float = 2.0) -> torch.Tensor:
    """Draw a Gaussian blob, (1, 1, H, W), whose pixel (x, y) is sampled at its integer centre."""
    x = torch.arange(WIDTH, dtype=torch.float64)
    y = torch.arange(HEIGHT, dtype=torch.float64)[:, None]
    squared = (x - center[0]) ** 2 + (y - center[1]) ** 2
    return torch.exp(-squared / (2 * sigma**2))[None, None]


def blob_center(image: torch.Tensor) -> torch.Tensor:
    """Find the blob by its centre of mass, to sub-pixel precision."""
    _, _, height, width = image.shape
    x, y = torch.arange(width), torch.arange(height)
    mass = image[0, 0]
    return torch.stack([(mass * x).sum(), (mass * y[:, None]).sum()]) / mass.sum()


def warped_center(homography: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """Warp an image of ``POINT`` and find the blob in the result."""
    pixel = project(POINT, FOCAL, PRINCPT)[0]
    image = blob_image(pixel).to(dtype)
    return blob_center(warp_image(image, homography[None].to(dtype), CROP)).double()


def centered_camera(rotation: torch.Tensor, zoom: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Return focal and principal point that bring the rotated ``POINT`` near the crop's middle."""
    focal = FOCAL * zoom
    pixel = project(transform_points(rotation, POINT), focal, torch.zeros(2).double())[0]
    return focal, torch.tensor([31.3, 32.4], dtype=torch.float64) - pixel


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_crop_moves_the_image_and_the_point_alike(dtype):
    homography = crop_homography(CROP_BBOX, CROP)
    focal_crop, princpt_crop = crop_camera(FOCAL, PRINCPT, CROP_BBOX, CROP)
    in_image = apply_homography(homography, project(POINT, FOCAL, PRINCPT))
    in_crop = project(POINT, focal_crop, princpt_crop)
    torch.testing.assert_close(in_image, in_crop)
    torch.testing.assert_close(warped_center(homography, dtype), in_crop[0], rtol=0, atol=0.01)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("axis_angle", [[0.0, 0, 0.7], [0.02, -0.03, 0], [-0.02, 0.03, -2.5]])
def test_rotated_camera_moves_the_image_and_the_point_alike(axis_angle, dtype):
    rotation = axis_angle_to_matrix(torch.tensor(axis_angle, dtype=torch.float64))
    focal, princpt = centered_camera(rotation, zoom=1.1)
    homography = camera_homography(FOCAL, PRINCPT, rotation, focal, princpt)
    in_image = apply_homography(homography, project(POINT, FOCAL, PRINCPT))
    in_camera = project(transform_points(rotation, POINT), focal, princpt)
    torch.testing.assert_close(in_image, in_camera)
    torch.testing.assert_close(warped_center(homography, dtype), in_camera[0], rtol=0, atol=0.01)


def test_every_warped_pixel_comes_from_where_the_points_come_from():
    """Bilinear sampling reproduces a ramp exactly, so a warped ramp holds source coordinates."""
    rotation = axis_angle_to_matrix(torch.tensor([0.05, -0.08, 0.6], dtype=torch.float64))
    focal, princpt = centered_camera(rotation, zoom=1.1)
    homography = camera_homography(FOCAL, PRINCPT, rotation, focal, princpt)
    y, x = torch.meshgrid(torch.arange(HEIGHT), torch.arange(WIDTH), indexing="ij")
    ramps = torch.stack([x, y, torch.ones_like(x)]).double()[None]  # (1, 3, H, W)
    warped = warp_image(ramps, homography[None], CROP)[0].flatten(1).mT  # (S * S, 3)
    inside = warped[:, 2] > 1 - 1e-9
    target_y, target_x = torch.meshgrid(torch.arange(CROP), torch.arange(CROP), indexing="ij")
    target = torch.stack([target_x, target_y], dim=-1).reshape(-1, 2).double()
    moved = apply_homography(homography, warped[inside, :2])
    assert inside.sum() > 2000
    # kornia 0.9 is exact to 1e-8 px, 0.8 (Python 3.10) to 1e-5 px.
    torch.testing.assert_close(moved, target[inside], rtol=0, atol=1e-4)


def test_strong_perspective_maps_points_exactly():
    rotation = axis_angle_to_matrix(torch.tensor([0.4, -0.5, 0.3], dtype=torch.float64))
    points = torch.rand(50, 3, dtype=torch.float64) * 0.4 + torch.tensor([-0.2, -0.2, 0.5])
    homography = camera_homography(FOCAL, PRINCPT, rotation, 1.5 * FOCAL, PRINCPT + 5)
    in_image = apply_homography(homography, project(points, FOCAL, PRINCPT))
    in_camera = project(points @ rotation.mT, 1.5 * FOCAL, PRINCPT + 5)
    torch.testing.assert_close(in_image, in_camera)


def test_mirror_is_exact_on_pixels():
    image = torch.rand(1, 3, 8, 8)
    warped = warp_image(image, mirror_homography(torch.tensor([8.0])), 8)
    torch.testing.assert_close(warped, image.flip(-1), rtol=0, atol=1e-5)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_mirror_then_crop_agrees_with_the_mirrored_camera(dtype):
    mirror = mirror_homography(torch.tensor(float(WIDTH), dtype=torch.float64))
    bbox = mirror_bbox(CROP_BBOX, WIDTH)
    homography = matrix_product(crop_homography(bbox, CROP), mirror)
    mirrored_princpt = torch.stack([WIDTH - 1 - PRINCPT[0], PRINCPT[1]])
    focal_crop, princpt_crop = crop_camera(FOCAL, mirrored_princpt, bbox, CROP)
    mirrored_point = POINT * torch.tensor([-1.0, 1.0, 1.0], dtype=torch.float64)
    in_crop = project(mirrored_point, focal_crop, princpt_crop)
    torch.testing.assert_close(
        apply_homography(homography, project(POINT, FOCAL, PRINCPT)), in_crop
    )
    torch.testing.assert_close(warped_center(homography, dtype), in_crop[0], rtol=0, atol=0.01)


def test_mirroring_commutes_with_rotating_the_camera():
    rotation = axis_angle_to_matrix(torch.tensor([0.1, 0.2, 0.3], dtype=torch.float64))
    flip = torch.tensor([-1.0, 1.0, 1.0], dtype=torch.float64)
    torch.testing.assert_close(
        transform_points(mirror_rotation(rotation), POINT * flip),
        transform_points(rotation, POINT) * flip,
    )


def test_crop_of_the_whole_image_is_a_resize():
    whole = torch.tensor([-0.5, -0.5, WIDTH - 0.5, WIDTH - 0.5], dtype=torch.float64)
    points = torch.tensor([[0.0, 0.0], [-0.5, WIDTH - 0.5], [10.0, 20.0]], dtype=torch.float64)
    scale = CROP / WIDTH
    moved = apply_homography(crop_homography(whole, CROP), points)
    torch.testing.assert_close(moved, scale * (points + 0.5) - 0.5)


def test_identity_crop_keeps_every_pixel():
    image = torch.rand(2, 3, 32, 32)
    whole = torch.tensor([-0.5, -0.5, 31.5, 31.5]).expand(2, 4)
    warped = warp_image(image, crop_homography(whole, 32), 32)
    torch.testing.assert_close(warped, image, rtol=0, atol=1e-5)


def test_outside_is_zero():
    warped = warp_image(
        torch.ones(1, 1, 16, 16), crop_homography(torch.tensor([[-15.5, -0.5, 0.5, 15.5]]), 16), 16
    )
    assert (warped[..., :15] == 0).all()
    torch.testing.assert_close(warped[..., 15], torch.ones(1, 1, 16))


def test_agrees_with_bilinear_interpolation_by_hand():
    image = torch.rand(1, 1, 4, 4, dtype=torch.float64)
    shift = torch.eye(3, dtype=torch.float64)[None].clone()
    shift[0, 0, 2], shift[0, 1, 2] = -0.25, -0.5  # target (x, y) shows source (x+0.25, y+0.5)
    rows = 0.5 * image[..., :3, :3] + 0.5 * image[..., 1:, :3]
    next_columns = 0.5 * image[..., :3, 1:] + 0.5 * image[..., 1:, 1:]
    expected = 0.75 * rows + 0.25 * next_columns
    torch.testing.assert_close(warp_image(image, shift, 3), expected)


def test_float32_is_good_enough_for_a_small_hand_in_a_large_image():
    image = torch.zeros(1, 1, 1080, 1920)
    center = torch.tensor([1801.3, 951.7])
    x, y = torch.arange(1920.0), torch.arange(1080.0)[:, None]
    image[0, 0] = torch.exp(-((x - center[0]) ** 2 + (y - center[1]) ** 2) / (2 * 3.0**2))
    bbox = square_bbox(torch.cat([center - 17, center + 20]), 1.1)
    homography = crop_homography(bbox, 224)
    found = blob_center(warp_image(image, homography[None], 224))
    expected = apply_homography(crop_homography(bbox.double(), 224), center.double()[None])[0]
    torch.testing.assert_close(found.double(), expected, rtol=0, atol=0.01)


def test_autocast_changes_nothing():
    image, homography = torch.rand(1, 3, HEIGHT, WIDTH), crop_homography(CROP_BBOX.float(), CROP)
    points = 100 * torch.rand(21, 2)
    expected = warp_image(image, homography[None], CROP), apply_homography(homography, points)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        homography = crop_homography(CROP_BBOX.float(), CROP)
        result = warp_image(image, homography[None], CROP), apply_homography(homography, points)
    assert torch.equal(result[0], expected[0])
    assert torch.equal(result[1], expected[1])


def test_integer_images_are_refused():
    with pytest.raises(AssertionError, match="uint8"):
        warp_image(torch.zeros(1, 3, 8, 8, dtype=torch.uint8), torch.eye(3)[None], 8)


@pytest.mark.parametrize("leading", [(), (3,), (2, 4)])
def test_shapes(leading):
    focal, princpt = FOCAL.expand(*leading, 2), PRINCPT.expand(*leading, 2)
    rotation = torch.eye(3, dtype=torch.float64).expand(*leading, 3, 3)
    bbox = CROP_BBOX.expand(*leading, 4)
    assert mirror_homography(torch.full(leading, 64.0)).shape == (*leading, 3, 3)
    assert camera_homography(focal, princpt, rotation, focal, princpt).shape == (*leading, 3, 3)
    homography = crop_homography(bbox, CROP)
    assert homography.shape == (*leading, 3, 3)
    assert apply_homography(homography, torch.zeros(*leading, 21, 2)).shape == (*leading, 21, 2)
    focal_crop, princpt_crop = crop_camera(focal, princpt, bbox, CROP)
    assert focal_crop.shape == princpt_crop.shape == (*leading, 2)


def test_no_change_of_camera_is_the_identity():
    rotation = torch.eye(3, dtype=torch.float64)
    homography = camera_homography(FOCAL, PRINCPT, rotation, FOCAL, PRINCPT)
    torch.testing.assert_close(homography, rotation)


def test_gradients():
    image = torch.rand(1, 1, 6, 6, dtype=torch.float64, requires_grad=True)
    bbox = torch.tensor([[0.4, 0.7, 4.1, 4.3]], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(
        lambda i, b: warp_image(i, crop_homography(b, 4), 4), (image, bbox), atol=1e-4
    )
    points = torch.rand(1, 3, 2, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(
        lambda b, p: apply_homography(crop_homography(b, 4), p), (bbox, points)
    )
