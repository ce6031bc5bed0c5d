"""Draw shaded hand meshes over images."""

import numpy as np
import torch

from handvit.geometry.camera import project
from handvit.geometry.rasterizer import interpolate, rasterize, vertex_normals
from handvit.visualization.draw import Color

SKIN: Color = (150, 185, 230)
_AMBIENT = 0.35


def draw_mesh(
    image: np.ndarray,
    vertices_cam: np.ndarray,
    *,
    faces: np.ndarray,
    focal: np.ndarray,
    princpt: np.ndarray,
    opacity: float = 0.85,
) -> np.ndarray:
    """Draw a mesh with the light at the camera.

    Args:
        image: (H, W, 3) uint8 RGB; not changed.
        vertices_cam: (V, 3) metres.
        faces: (F, 3), counter-clockwise seen from outside.
        focal, princpt: (2,) px of the image's camera.
    """
    vertices = torch.as_tensor(vertices_cam, dtype=torch.float64)
    faces = torch.as_tensor(faces)
    vertices_img = project(vertices, torch.as_tensor(focal), torch.as_tensor(princpt))
    height, width = image.shape[:2]
    fragments = rasterize(
        torch.cat([vertices_img, vertices[:, 2:]], dim=-1), faces, height=height, width=width
    )
    normals = interpolate(vertex_normals(vertices, faces), fragments)  # (N, 3)
    facing = torch.nn.functional.normalize(normals, dim=-1)[:, 2].abs()
    shade = (_AMBIENT + (1 - _AMBIENT) * facing)[:, None] * torch.tensor(SKIN)  # (N, 3)
    drawn = image.reshape(-1, 3).astype(np.float64)
    covered = fragments.pixel.numpy()
    drawn[covered] = (1 - opacity) * drawn[covered] + opacity * shade.numpy()
    return drawn.round().astype(np.uint8).reshape(image.shape)
