"""Render a hand's mesh into square images without background."""

from typing import NamedTuple

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from handvit.datasets.synthetic.appearance import Lighting
from handvit.datasets.synthetic.shading import Surface, shade
from handvit.geometry.camera import project
from handvit.geometry.rasterizer import interpolate, rasterize, vertex_normals

_SUPERSAMPLING = 2


class SceneMesh(NamedTuple):
    """Hold one mesh over T frames with its surface properties."""

    vertices_cam: Tensor  # (T, V, 3) metres
    faces: Tensor  # (F, 3) counter-clockwise seen from outside
    albedo: Tensor  # (V, 3) linear light
    gloss: Tensor  # (V,) strength of highlights
    keypoints_cam: Tensor  # (T, 21, 3) of the hand that throws shadows, metres

    def frames(self, frames: slice) -> "SceneMesh":
        """Keep some of the T frames."""
        return self._replace(
            vertices_cam=self.vertices_cam[frames], keypoints_cam=self.keypoints_cam[frames]
        )


def render(
    mesh: SceneMesh, lighting: Lighting, *, focal: Tensor, princpt: Tensor, size: int
) -> np.ndarray:
    """Render a mesh.

    Args:
        focal: (T, 2) px of the image.
        princpt: (T, 2) px.
        size: side of the image, px.

    Returns:
        (T, size, size, 4) float32 RGBA: linear light times coverage, and coverage.
    """
    fine = size * _SUPERSAMPLING
    princpt_fine = (princpt + 0.5) * _SUPERSAMPLING - 0.5
    vertices_img = project(mesh.vertices_cam.double(), focal * _SUPERSAMPLING, princpt_fine)
    vertices_img = torch.cat([vertices_img.float(), mesh.vertices_cam[..., 2:]], dim=-1)
    fragments = rasterize(vertices_img, mesh.faces, height=fine, width=fine, cull_backfaces=True)

    normals = vertex_normals(mesh.vertices_cam, mesh.faces)
    surface = Surface(mesh.vertices_cam, normals, mesh.albedo, mesh.gloss)
    color = shade(surface, mesh.keypoints_cam, lighting)  # (T, V, 3)
    image = torch.zeros(len(color) * fine * fine, 4)
    rgba = interpolate(F.pad(color, (0, 1), value=1.0), fragments)
    image.index_copy_(0, fragments.pixel, rgba)
    frames = image.view(-1, fine, fine, 4).numpy()
    return np.stack([cv2.resize(x, (size, size), interpolation=cv2.INTER_AREA) for x in frames])
