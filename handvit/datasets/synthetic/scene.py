"""Draw the camera, and where a hand goes in front of it.

Scenes are drawn for right hands; a scene of a left hand is the mirror image of one.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from handvit.datasets.synthetic.pose_sampling import sample_betas, sample_moving_angles
from handvit.datasets.synthetic.smooth_curve import HeldKeys, bspline
from handvit.geometry.matrices import matrix_product, transform_points
from handvit.geometry.rotation import axis_angle_to_matrix

#: Every posed hand of any allowed shape fits into this box around its wrist: fingers along -x,
#: back +y, thumb +z; metres.
_REACH = torch.tensor([[-0.22, -0.12, -0.07], [0.04, 0.04, 0.11]], dtype=torch.float64)
_MIN_DEPTH = 0.08
#: The wrist lies below the middle of the hand by this much, metres.
_WRIST_OFFSET = np.array([0.0, 0.08, 0.0])
#: Palm to the camera and fingers up: -x -> -y, -y (palm) -> -z, z (thumb) -> x.
_SHOW_PALM = torch.tensor([[0.0, 0, 1], [1, 0, 0], [0, 1, 0]], dtype=torch.float64)
_SHOW_BACK = torch.diag(torch.tensor([-1.0, 1, -1], dtype=torch.float64)) @ _SHOW_PALM
#: Of a turn's three numbers, the first two lean the hand and the last one rolls it.
_TILT_AXES = torch.tensor([1.0, 1.0, 0.0], dtype=torch.float64)
_SECONDS_PER_KEY = 0.4
_MAX_ATTEMPTS = 1000


@dataclass(frozen=True, kw_only=True)
class SceneLimits:
    """Bound what the generator draws. Pairs are (low, high); fractions are of all tracks.

    Roll and tilt are those of the hand *as seen*: relative to the viewing ray of the wrist, which
    is what decides how a hand looks that is far from the image centre.

    Args:
        focal: px of the full frame.
        field_of_view: degrees along the frame's longer side.
        depth: metres of the wrist along the camera's axis.
        max_roll: degrees between the fingers and the image's upward direction.
        max_tilt: degrees that the hand leans out of the image plane.
        max_speed: m/s of the wrist.
        palm_fraction: hands that show their palm; the others show their back.
        occluder_fraction: hands partly behind an object.
    """

    focal: tuple[float, float] = (300.0, 1500.0)
    field_of_view: tuple[float, float] = (40.0, 90.0)
    depth: tuple[float, float] = (0.2, 1.2)
    max_roll: float = 35.0
    max_tilt: float = 45.0
    max_speed: float = 0.8
    palm_fraction: float = 0.5
    occluder_fraction: float = 0.25

    def __post_init__(self) -> None:
        """Refuse limits that hold no scene."""
        for name in ("focal", "field_of_view", "depth"):
            low, high = getattr(self, name)
            if not 0 < low <= high:
                raise ValueError(f"{name}: ({low}, {high}) must be 0 < low <= high")
        if self.field_of_view[1] >= 120:
            raise ValueError(f"field_of_view: {self.field_of_view[1]} must be below 120 degrees")
        if self.depth[0] < 2 * _MIN_DEPTH:
            raise ValueError(f"depth: low end {self.depth[0]} must be {2 * _MIN_DEPTH} m or more")
        for name, high in {"max_roll": 180, "max_tilt": 180, "max_speed": 5}.items():
            if not 0 <= getattr(self, name) <= high:
                raise ValueError(f"{name}: {getattr(self, name)} must be in [0, {high}]")
        for name in ("palm_fraction", "occluder_fraction"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name}: {getattr(self, name)} must be in [0, 1]")


class FrameCamera(NamedTuple):
    """Hold the camera of a full frame."""

    focal: np.ndarray  # (2,) px
    princpt: np.ndarray  # (2,) px
    size: np.ndarray  # (2,) width and height, px

    def mirrored(self) -> "FrameCamera":
        """Return the camera that sees the mirror image: x -> W - 1 - x."""
        princpt = np.array([self.size[0] - 1 - self.princpt[0], self.princpt[1]])
        return self._replace(princpt=princpt)


class HandMotion(NamedTuple):
    """Hold a right hand over T frames of one track."""

    angles: np.ndarray  # (T, 15, 3) rad: twist, spread, bend
    betas: np.ndarray  # (10,)
    global_orient: Tensor  # (T, 3, 3) float64, camera axes
    root_cam: np.ndarray  # (T, 3) wrist, metres


def sample_camera(rng: np.random.Generator, limits: SceneLimits) -> FrameCamera:
    """Draw a camera of some focal length, field of view, shape, and slightly off centre."""
    focal = np.exp(rng.uniform(*np.log(limits.focal)))
    half_view = np.radians(rng.uniform(*limits.field_of_view)) / 2
    longer = 2 * focal * np.tan(half_view)
    aspect = rng.choice([(1.0, 0.75), (1.0, 0.5625), (1.0, 1.0), (0.75, 1.0)])
    size = np.round(longer * aspect)
    princpt = (size - 1) / 2 + 0.02 * longer * rng.uniform(-1, 1, 2)
    return FrameCamera(np.array([focal, focal]), princpt, size)


def sample_motion(
    rng: np.random.Generator, limits: SceneLimits, camera: FrameCamera, times: np.ndarray
) -> HandMotion:
    """Draw a hand that moves through the frame, all of it well in front of the camera.

    Args:
        times: (T,) seconds, increasing from zero.
    """
    for _ in range(_MAX_ATTEMPTS):
        root_cam = _sample_path(rng, limits, camera, times)
        global_orient = _sample_orientation(rng, limits, root_cam, times)
        if _nearest_depth(global_orient, root_cam) > _MIN_DEPTH:
            angles = sample_moving_angles(rng, times)
            return HandMotion(angles, sample_betas(rng), global_orient, root_cam)
    raise ValueError(f"{limits}: no hand stays in front of the camera; raise depth or lower tilt")


def _sample_path(
    rng: np.random.Generator, limits: SceneLimits, camera: FrameCamera, times: np.ndarray
) -> np.ndarray:
    """Let the wrist wander about the view frustum, (T, 3) metres."""
    low = (-0.5 - camera.princpt) / camera.focal
    high = (camera.size - 0.5 - camera.princpt) / camera.focal
    depth = rng.uniform(*limits.depth)
    key = np.append(rng.uniform(low, high) * depth, depth)
    speed = rng.uniform(0, limits.max_speed)
    keys = [key]
    for _ in range(int(times[-1] / _SECONDS_PER_KEY) + 4):
        key = _step_inside(rng, keys[-1], speed * _SECONDS_PER_KEY, (low, high, limits.depth))
        keys.append(key)
    phase = rng.random()
    return bspline(np.array(keys), phase + times / _SECONDS_PER_KEY) + _WRIST_OFFSET


def _step_inside(
    rng: np.random.Generator, point: np.ndarray, step: float, frustum: tuple
) -> np.ndarray:
    """Go up to ``step`` metres in a random direction, or stay if the frustum ends everywhere."""
    low, high, (near, far) = frustum
    for _ in range(20):
        direction = rng.standard_normal(3)
        new = point + rng.uniform(0.3, 1) * step * direction / np.linalg.norm(direction)
        in_view = (new[:2] >= low * new[2]).all() and (new[:2] <= high * new[2]).all()
        if in_view and near <= new[2] <= far:
            return new
    return point


def _sample_orientation(
    rng: np.random.Generator, limits: SceneLimits, root_cam: np.ndarray, times: np.ndarray
) -> Tensor:
    """Turn the hand slowly about, (T, 3, 3): facing, then tilt, then roll, then the ray."""
    facing = _SHOW_PALM if rng.random() < limits.palm_fraction else _SHOW_BACK
    keys = HeldKeys.sample(rng, times[-1], seconds_per_key=_SECONDS_PER_KEY, max_hold=3)
    tilt_angle = np.radians(limits.max_tilt) * np.sqrt(rng.random(keys.num_keys))
    tilt_direction = rng.uniform(0, 2 * np.pi, keys.num_keys)
    roll = np.radians(rng.uniform(-limits.max_roll, limits.max_roll, keys.num_keys))
    turn_keys = np.stack(
        [tilt_angle * np.cos(tilt_direction), tilt_angle * np.sin(tilt_direction), roll], axis=1
    )
    turn = torch.from_numpy(keys.curve(turn_keys, times))  # (T, 3) rad
    to_ray = rotation_to_ray(torch.from_numpy(root_cam))
    tilt, roll = turn * _TILT_AXES, turn * (1 - _TILT_AXES)
    to_ray, tilt, roll = axis_angle_to_matrix(torch.stack([to_ray, tilt, roll]))  # (T, 3, 3) each
    return matrix_product(matrix_product(to_ray, roll), matrix_product(tilt, facing))


def rotation_to_ray(points_cam: Tensor) -> Tensor:
    """Return the smallest turn from the camera's axis to points, (..., 3) -> (..., 3) rad."""
    x, y, z = points_cam.unbind(-1)
    sideways = torch.hypot(x, y)
    scale = torch.atan2(sideways, z) / sideways.clamp(min=1e-12)
    return torch.stack([-y * scale, x * scale, torch.zeros_like(x)], dim=-1)


def _nearest_depth(global_orient: Tensor, root_cam: np.ndarray) -> float:
    """Return the least depth that any part of the hand can have, metres."""
    corners = torch.cartesian_prod(*_REACH.T)  # (8, 3)
    depth = transform_points(global_orient, corners)[..., 2] + torch.from_numpy(root_cam)[:, 2:]
    return float(depth.min())
