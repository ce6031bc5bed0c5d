"""Light a hand: soft skin, highlights, and shadows that the fingers throw on each other.

All of it happens at the vertices. A hand of some 80 px has about as many vertices as pixels, so
shading the pixels one by one would look the same and cost several times as much.
"""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from handvit.datasets.synthetic.appearance import Lighting
from handvit.structures.skeleton import BONES, WRIST

#: Light reaches around edges, red light the furthest: a cheap picture of light inside skin.
_WRAP = (0.40, 0.26, 0.20)
_SHININESS = 24
#: Spheres stand in for the hand where it shades itself: one in the middle and one at the end of
#: each bone. Radii in metres.
_PALM_RADIUS, _FINGER_RADIUS = 0.012, 0.0078
#: Width of a shadow's edge as a fraction of the squared radius.
_SHADOW_SOFTNESS = 0.5
_OCCLUSION_STRENGTH, _LEAST_OPENNESS = 0.75, 0.15


class Surface(NamedTuple):
    """Hold what light meets at every vertex."""

    vertices_cam: Tensor  # (T, V, 3) metres
    normals: Tensor  # (T, V, 3) unit
    albedo: Tensor  # (V, 3) linear light
    gloss: Tensor  # (V,) strength of highlights


def shade(surface: Surface, keypoints_cam: Tensor, lighting: Lighting) -> Tensor:
    """Return the light that every vertex sends to the camera, (T, V, 3).

    Args:
        keypoints_cam: (T, 21, 3) of the hand that throws shadows, metres.
    """
    openness, sunlight = self_shading(
        surface.vertices_cam, surface.normals, keypoints_cam, lighting.directions[0]
    )
    wrap = torch.tensor(_WRAP)
    view = -F.normalize(keypoints_cam.mean((0, 1)), dim=0)  # one for all: a hand is small
    cosine = surface.normals @ lighting.directions.T  # (T, V, L)
    shine = surface.normals @ F.normalize(lighting.directions + view, dim=-1).T  # (T, V, L)
    shine = surface.gloss[:, None] * shine.clamp(min=0) ** _SHININESS
    color = surface.albedo * lighting.ambient * openness[..., None]
    for light, light_color in enumerate(lighting.colors):
        diffuse = ((cosine[..., light, None] + wrap) / (1 + wrap)).clamp(min=0)  # (T, V, 3)
        received = surface.albedo * diffuse + shine[..., light, None]
        reaches = sunlight[..., None] if light == 0 else 1.0  # only the first throws shadows
        color = color + light_color * received * reaches
    return color


def self_shading(
    vertices: Tensor, normals: Tensor, keypoints: Tensor, light_direction: Tensor
) -> tuple[Tensor, Tensor]:
    """Estimate how open to the sky and how lit by a distant light vertices are.

    Each sphere occludes by its solid angle times the cosine to the normal, and throws a soft
    round shadow away from the light.

    Args:
        vertices: (T, V, 3) metres.
        normals: (T, V, 3) unit.
        keypoints: (T, 21, 3) metres.
        light_direction: (3,) unit, towards the light.

    Returns:
        openness (T, V) and sunlight (T, V), both from 0 to 1.
    """
    origin = keypoints[:, :1]
    vertices = vertices - origin
    centers, squared_radius = _spheres(keypoints - origin)  # (T, K, 3), (K,)
    squared_norms = vertices.square().sum(-1)[..., None] + centers.square().sum(-1)[:, None]
    centers = centers.transpose(1, 2)  # (T, 3, K)
    squared_distance = (squared_norms - 2 * vertices @ centers).clamp(min=1e-8)  # (T, V, K)

    height = normals @ centers - (normals * vertices).sum(-1, keepdim=True)
    size = (squared_radius / squared_distance).clamp(max=1)
    occlusion = (height.clamp(min=0) * squared_distance.rsqrt() * size).sum(-1)

    ahead = (light_direction @ centers)[:, None] - (vertices @ light_direction)[..., None]
    beside = (squared_distance - ahead.square()) / squared_radius
    covered = ((1 + _SHADOW_SOFTNESS - beside) / (2 * _SHADOW_SOFTNESS)).clamp(0, 1)
    covered = covered * (ahead * squared_radius.rsqrt() - 1).clamp(0, 1)
    openness = (1 - _OCCLUSION_STRENGTH * occlusion).clamp(_LEAST_OPENNESS, 1)
    return openness, (1 - covered).prod(-1)


def _spheres(keypoints: Tensor) -> tuple[Tensor, Tensor]:
    """Return centres (T, K, 3) and squared radii (K,)."""
    parents, children = torch.tensor(BONES).T
    ends = keypoints[:, children]
    middles = (keypoints[:, parents] + ends) / 2
    radius = torch.where(parents == WRIST, _PALM_RADIUS, _FINGER_RADIUS).to(keypoints.dtype)
    return torch.cat([middles, ends], dim=1), radius.square().repeat(2)
