"""Move points between pixels and metres with the fisheye camera of Project Aria and Quest 3.

FISHEYE624 ("FisheyeRadTanThinPrism" in projectaria_tools): an equidistant fisheye with 6 radial, 2
tangential and 4 thin-prism coefficients. Parameters are, in this order,

    f, cx, cy, k1..k6, p1, p2, s1..s4         15, one focal length (Aria)
    fx, fy, cx, cy, k1..k6, p1, p2, s1..s4    16 (Quest 3)

A point at angle ``theta`` from the optical axis lies at radius ``theta * rho`` around it, with
``rho = 1 + k1 theta^2 + ... + k6 theta^12``; the small terms then move it in the plane, and focal
length and principal point make pixels of it. Pixel centres are at integers and camera axes follow
OpenCV, as in ``camera.py``.
"""

import math

import torch
from torch import Tensor

#: Numbers of parameters of cameras with one and with two focal lengths.
NUM_PARAMS = (15, 16)
_NUM_RADIAL = 6
_NEWTON_STEPS = 20
_PIXEL_TOLERANCE = 1e-6  # px; Newton's method ends far below
_NUM_ANGLES = 361  # half a degree apart
_NUM_AZIMUTHS = 8
#: Below this squared tangent a series replaces the arc tangent; the next term is beyond float64.
_AXIS = 1e-6


def fisheye624_project(points_cam: Tensor, params: Tensor) -> Tensor:
    """Project points into the image.

    Args:
        points_cam: (..., N, 3) metres. Points beyond ``fisheye624_max_angle`` from the optical
            axis, hence also all that lie at z <= 0 of an ordinary lens, give pixels without
            meaning, so mask them.
        params: (..., 15) or (..., 16).

    Returns:
        (..., N, 2) px.
    """
    focal, princpt, radial, plane = _split(params)
    x, y, z = points_cam.unbind(-1)
    squared = x**2 + y**2
    ratio = _angle_over_distance(squared, z)
    factor = ratio * _radial_factor(squared * ratio**2, radial)
    points = points_cam[..., :2] * factor[..., None]
    return _distort(points, plane) * focal + princpt


def fisheye624_unproject(points_img: Tensor, params: Tensor) -> Tensor:
    """Return viewing directions of length 1, found with Newton's method in float64.

    Args:
        points_img: (..., N, 2) px.
        params: (..., 15) or (..., 16).

    Returns:
        (..., N, 3) float64; NaN where no direction within ``fisheye624_max_angle`` meets a pixel,
        as in the corners outside the image circle.
    """
    points_img, params = points_img.double(), params.double()
    focal, princpt, radial, plane = _split(params)
    points = _undistort((points_img - princpt) / focal, plane)  # (..., N, 2)
    radius = points.norm(dim=-1)
    angle = _angle_of_radius(radius, radial, fisheye624_max_angle(params)[..., None])
    sine_ratio = torch.where(radius > 0, angle.sin() / radius, 1.0)
    rays = torch.cat([points * sine_ratio[..., None], angle.cos()[..., None]], dim=-1)
    gap = (fisheye624_project(rays, params) - points_img).norm(dim=-1, keepdim=True)
    return torch.where(gap <= _PIXEL_TOLERANCE, rays, torch.nan)


def fisheye624_max_angle(params: Tensor) -> Tensor:
    """Return the angle from the optical axis up to which the lens model holds, (...) rad.

    The polynomials were fitted to what the lens sees. Where pixels stop moving outwards as the
    angle grows, they would fold the outside back into the picture.
    """
    options = dict(dtype=params.dtype, device=params.device)
    azimuth = torch.arange(_NUM_AZIMUTHS, **options) * (2 * math.pi / _NUM_AZIMUTHS)
    outwards = torch.stack([azimuth.cos(), azimuth.sin()], dim=-1)  # (D, 2)
    angle = torch.linspace(0, math.pi, _NUM_ANGLES, **options)[:, None, None]  # (A, 1, 1)
    depth = angle.cos().expand(-1, _NUM_AZIMUTHS, 1)
    rays = torch.cat([angle.sin() * outwards, depth], dim=-1)  # (A, D, 3)
    pixels = fisheye624_project(rays.flatten(0, 1), params)
    steps = pixels.unflatten(-2, rays.shape[:2]).diff(dim=-3)  # (..., A - 1, D, 2)
    holds = ((steps * outwards).sum(-1) > 0).all(-1)  # (..., A - 1)
    last = torch.where(holds.all(-1), _NUM_ANGLES - 1, (~holds).int().argmax(-1))
    return angle[:, 0, 0][last]


def fisheye624_resolution(ray: Tensor, params: Tensor) -> Tensor:
    """Return how finely the image samples the world around a direction, px per radian.

    It is the geometric mean over the directions in the image, so a patch of the image keeps its
    number of pixels under a pinhole camera with this focal length that looks along ``ray``.

    Args:
        ray: (3,) of length 1.
        params: (15,) or (16,).
    """

    def to_pixel(ray: Tensor) -> Tensor:
        return fisheye624_project(ray[None], params)[0]

    jacobian = torch.autograd.functional.jacobian(to_pixel, ray)  # (2, 3), its null space is ray
    return torch.linalg.det(jacobian @ jacobian.T) ** 0.25


def _split(params: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return focal (..., 1, 2), princpt (..., 1, 2), k (..., 1, 6) and p, s (..., 1, 6)."""
    assert params.shape[-1] in NUM_PARAMS, f"{params.shape[-1]} parameters, want {NUM_PARAMS}"
    params = params[..., None, :]
    num_focal = params.shape[-1] - 14
    focal = params[..., :num_focal].expand(*params.shape[:-1], 2)
    return focal, params[..., -14:-12], params[..., -12:-6], params[..., -6:]


def _angle_over_distance(squared: Tensor, z: Tensor) -> Tensor:
    """Return ``theta / r`` with finite gradients on the axis, from r^2 and z (..., N)."""
    # The branch that is not taken must not divide by zero either, or its gradient is NaN.
    is_near = (squared <= _AXIS * z**2) & (z > 0)
    distance = torch.where(is_near | (squared == 0), 1.0, squared).sqrt()
    depth = torch.where(is_near, z, 1.0)
    tangent = squared / depth**2
    series = (1 - tangent / 3 + tangent**2 / 5) / depth
    return torch.where(is_near, series, torch.atan2(distance, z) / distance)


def _radial_factor(angle_squared: Tensor, radial: Tensor) -> Tensor:
    """Return ``rho``, (..., N) and (..., 1, 6) -> (..., N)."""
    factor = torch.zeros_like(angle_squared)
    for i in reversed(range(_NUM_RADIAL)):
        factor = (factor + radial[..., i]) * angle_squared
    return 1 + factor


def _radial_slope(angle_squared: Tensor, radial: Tensor) -> Tensor:
    """Return the derivative of ``theta * rho`` by ``theta``, (..., N)."""
    odd = torch.arange(3, 3 + 2 * _NUM_RADIAL, 2, dtype=radial.dtype, device=radial.device)
    return _radial_factor(angle_squared, odd * radial)


def _distort(points: Tensor, plane: Tensor) -> Tensor:
    """Apply the tangential and the thin-prism terms, (..., N, 2) -> (..., N, 2)."""
    tangential, prism = plane[..., :2], plane[..., 2:]
    squared = points.square().sum(-1, keepdim=True)  # (..., N, 1)
    swapped = 2 * points.prod(-1, keepdim=True) * tangential.flip(-1)
    moved = points + tangential * (squared + 2 * points**2) + swapped
    return moved + prism[..., 0::2] * squared + prism[..., 1::2] * squared**2


def _undistort(distorted: Tensor, plane: Tensor) -> Tensor:
    """Invert ``_distort``, (..., N, 2) -> (..., N, 2)."""
    points = distorted
    for _ in range(_NEWTON_STEPS):
        points = points - _newton_step(points, _distort(points, plane) - distorted, plane)
    return points


def _newton_step(points: Tensor, gap: Tensor, plane: Tensor) -> Tensor:
    """Multiply a gap with the inverse of the 2x2 derivative of ``_distort``, (..., N, 2)."""
    (x, y), (p1, p2) = points.unbind(-1), plane[..., :2].unbind(-1)
    s1, s2, s3, s4 = plane[..., 2:].unbind(-1)
    squared = x**2 + y**2
    u, v = s1 + 2 * s2 * squared, s3 + 2 * s4 * squared  # prisms' derivatives by the square
    xx, xy = 1 + 6 * p1 * x + 2 * p2 * y + 2 * x * u, 2 * (p1 * y + p2 * x + y * u)
    yx, yy = 2 * (p1 * y + p2 * x + x * v), 1 + 6 * p2 * y + 2 * p1 * x + 2 * y * v
    gap_x, gap_y = gap.unbind(-1)
    step = torch.stack([yy * gap_x - xy * gap_y, xx * gap_y - yx * gap_x], dim=-1)
    return step / (xx * yy - xy * yx)[..., None]


def _angle_of_radius(radius: Tensor, radial: Tensor, max_angle: Tensor) -> Tensor:
    """Invert ``theta * rho`` up to ``max_angle`` (..., 1), (..., N) -> (..., N) rad."""
    angle = radius.minimum(max_angle)
    for _ in range(_NEWTON_STEPS):
        gap = angle * _radial_factor(angle**2, radial) - radius
        step = gap / _radial_slope(angle**2, radial)
        angle = (angle - step).clamp(min=0).minimum(max_angle)
    return angle
