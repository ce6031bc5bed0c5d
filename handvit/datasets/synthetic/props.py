"""Build the things around a hand: the forearm that it sits on and objects in front of it."""

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from handvit.geometry.matrices import transform_points
from handvit.geometry.rotation import axis_angle_to_matrix

#: Rings of the forearm: distance from the wrist (m) and girth relative to the wrist's, bare and
#: sleeved. The first two are so close together that a cuff has an edge.
_RING_DISTANCE = (0.016, 0.018, 0.05, 0.10, 0.17, 0.32)
_BARE_GIRTH = (1.0, 1.0, 1.05, 1.2, 1.4, 1.5)
_SLEEVE_GIRTH = (1.0, 1.2, 1.25, 1.4, 1.55, 1.65)
_BEND_OVER = 0.06  # metres over which the wrist bends
_NUM_BARE_RINGS = 1  # rings that a sleeve leaves free
_OCCLUDER_HALF_EXTENT = (0.010, 0.032)  # metres, as seen at the hand's distance
_ELLIPSOID_RINGS, _ELLIPSOID_SECTORS = 7, 14


class Occluder(NamedTuple):
    """Hold an object in front of the hand."""

    vertices_cam: Tensor  # (T, V, 3) metres
    faces: Tensor  # (F, 3) counter-clockwise seen from outside
    albedo: Tensor  # (V, 3)


def wrist_loop(faces: np.ndarray) -> list[int]:
    """Return the vertices along a hand's open wrist, in the direction of the hand's own edges."""
    edges = {
        (a, b)
        for first, second, third in faces.tolist()
        for a, b in ((first, second), (second, third), (third, first))
    }
    successor = {a: b for a, b in edges if (b, a) not in edges}
    loop = [min(successor)]
    while successor[loop[-1]] != loop[0]:
        loop.append(successor[loop[-1]])
    assert len(loop) == len(successor), "a hand mesh has exactly one opening"
    return loop


def forearm_faces(loop: list[int], first_vertex: int) -> np.ndarray:
    """Return triangles from the wrist loop through the rings that ``forearm_rings`` makes.

    Args:
        first_vertex: index of the first ring's first vertex.
    """
    size = len(loop)
    rings = first_vertex + np.arange(len(_RING_DISTANCE) * size).reshape(-1, size)
    rings = np.vstack([loop, rings])  # (rings, size)
    near, far = rings[:-1], rings[1:]
    near_next, far_next = np.roll(near, -1, axis=1), np.roll(far, -1, axis=1)
    first = np.stack([near_next, near, far], axis=-1)
    second = np.stack([near_next, far, far_next], axis=-1)
    return np.concatenate([first, second]).reshape(-1, 3)


def forearm_rings(loop_points: Tensor, bend: Tensor, has_sleeve: bool) -> Tensor:
    """Extend the wrist backwards, (R * 16, 3) metres.

    Args:
        loop_points: (16, 3) wrist of an unrotated right hand: its forearm leaves along +x.
        bend: (3,) axis-angle of the forearm against the hand.
    """
    girth = torch.tensor(_SLEEVE_GIRTH if has_sleeve else _BARE_GIRTH)
    distance = torch.tensor(_RING_DISTANCE)
    turns = axis_angle_to_matrix(bend * (distance / _BEND_OVER).clamp(max=1)[:, None])  # (R, 3, 3)
    steps = turns[..., 0] * distance.diff(prepend=distance.new_zeros(1))[:, None]  # (R, 3)
    center = loop_points.mean(0)
    outlines = transform_points(turns, (loop_points - center).expand(len(turns), -1, -1))
    rings = center + steps.cumsum(0)[:, None] + girth[:, None, None] * outlines  # (R, 16, 3)
    return rings.flatten(0, 1)


def forearm_albedo(skin: Tensor, loop: list[int], sleeve: Tensor | None) -> Tensor:
    """Continue the wrist's skin (778, 3) along the forearm, up to a sleeve's colour (3,)."""
    albedo = skin[loop].repeat(len(_RING_DISTANCE), 1)  # (R * 16, 3)
    if sleeve is not None:
        albedo[_NUM_BARE_RINGS * len(loop) :] = sleeve
    return albedo


def sample_occluder(rng: np.random.Generator, keypoints_cam: Tensor) -> Occluder:
    """Put an ellipsoid or a box a little in front of one finger or the palm.

    It either travels with the wrist or stays where it is while the hand passes behind.

    Args:
        keypoints_cam: (T, 21, 3) metres.
    """
    shape, faces = _ellipsoid() if rng.random() < 0.5 else _box()
    target = keypoints_cam[:, 0] + (keypoints_cam[0, rng.integers(21)] - keypoints_cam[0, 0])
    if rng.random() < 0.5:
        target = target[rng.integers(len(target))].expand_as(target)
    distance = torch.linalg.vector_norm(target, dim=-1).min().item()
    nearer = 1 - rng.uniform(0.03, 0.06) / distance
    extent = nearer * rng.uniform(*_OCCLUDER_HALF_EXTENT, 3)
    turn = axis_angle_to_matrix(torch.from_numpy(rng.uniform(-3, 3, 3)))
    shape = transform_points(turn, shape * torch.from_numpy(extent)).to(target.dtype)
    albedo = rng.uniform(0.02, 0.8, 3) * rng.uniform(0.7, 1, (len(shape), 1))
    return Occluder(
        vertices_cam=(nearer * target)[:, None] + shape,
        faces=faces,
        albedo=torch.from_numpy(albedo).to(target.dtype),
    )


def _ellipsoid() -> tuple[Tensor, Tensor]:
    """Return a unit sphere of longitude and latitude lines; its poles are rings of no size."""
    polar = torch.linspace(0, torch.pi, _ELLIPSOID_RINGS, dtype=torch.float64)
    turn = torch.arange(_ELLIPSOID_SECTORS, dtype=torch.float64) * (
        2 * torch.pi / _ELLIPSOID_SECTORS
    )
    ring, sector = torch.meshgrid(polar, turn, indexing="ij")
    points = torch.stack([ring.sin() * sector.cos(), ring.sin() * sector.sin(), ring.cos()], dim=-1)
    index = torch.arange(points[..., 0].numel()).view(_ELLIPSOID_RINGS, _ELLIPSOID_SECTORS)
    a, b = index[:-1], index[1:]
    a_next, b_next = a.roll(-1, 1), b.roll(-1, 1)
    faces = torch.stack([torch.stack([a, b, b_next]), torch.stack([a, b_next, a_next])])
    return points.flatten(0, 1), faces.permute(0, 2, 3, 1).reshape(-1, 3)


def _box() -> tuple[Tensor, Tensor]:
    """Return a cube whose sides share no vertices, so that its edges stay sharp."""
    side = torch.tensor([[-1.0, -1, 1], [1, -1, 1], [1, 1, 1], [-1, 1, 1]], dtype=torch.float64)
    turned = [side.roll(axis, 1) * sign for axis in range(3) for sign in (1, -1)]
    faces = [
        torch.tensor([[0, 1, 2], [0, 2, 3]] if sign > 0 else [[0, 2, 1], [0, 3, 2]])
        for _ in range(3)
        for sign in (1, -1)
    ]
    return torch.cat(turned), torch.cat([face + 4 * i for i, face in enumerate(faces)])
