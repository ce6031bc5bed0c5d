"""Find which triangle every pixel sees: a batched z-buffer in torch, without OpenGL.

Pixel centres are at integers, so a vertex at (3, 5) lies in the middle of column 3, row 5. Only
pixels that see a triangle are returned, because an image of a hand is mostly background.

Inside, the corners of triangles come first in a shape, ``(3, M)``, and entries are picked with
``index_select``: on a CPU this is several times faster than ``(M, 3)`` and ``[index]``.
"""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

#: Spans grow by this many pixels at either end, so that rounding leaves no crack along an edge
#: that two triangles share.
_EDGE_TOLERANCE = 1e-3
#: Thinner triangles are seen edge-on: their neighbours cover them within the tolerance.
_MIN_THICKNESS = 2 * _EDGE_TOLERANCE  # px


class Fragments(NamedTuple):
    """Describe the N pixels of a batch of images that see a triangle, each pixel once."""

    pixel: Tensor  # (N,) int64, index into the images flattened to (B * height * width,)
    face: Tensor  # (N,) int64, row of ``faces``
    vertex: Tensor  # (3, N) int64, corners: index into the vertices flattened to (B * V,)
    barycentric: Tensor  # (3, N) perspective-correct weights of the corners
    depth: Tensor  # (N,) metres


class _Spans(NamedTuple):
    """Hold the R runs of pixels that one image row has inside one triangle.

    Barycentrics divided by their corner's depth, and their sum 1 / depth, are linear in x and y.
    """

    triangle: Tensor  # (R,) int64, index into (B * F,)
    row: Tensor  # (R,) int64, image row
    start: Tensor  # (R,) int64, first column
    length: Tensor  # (R,) int64
    weight: Tensor  # (3, R) barycentrics / depth at the first column
    slope: Tensor  # (3, R) their change from one column to the next


def rasterize(
    vertices_img: Tensor,
    faces: Tensor,
    *,
    height: int,
    width: int,
    cull_backfaces: bool = False,
) -> Fragments:
    """Find the nearest triangle at each pixel.

    Triangles with a corner at or behind the camera plane are left out whole. Depths that agree
    to float32 precision are settled by the lower face index.

    Args:
        vertices_img: (..., V, 3) x and y in px, depth in metres; images flatten to B.
        faces: (F, 3) int64, counter-clockwise seen from outside.
        cull_backfaces: skip triangles that show their back; halves the time for closed surfaces.
    """
    vertices_img = vertices_img.reshape(-1, *vertices_img.shape[-2:])  # (B, V, 3)
    num_images, num_vertices = vertices_img.shape[:2]
    corners = vertices_img[:, faces].permute(3, 2, 0, 1).flatten(2).contiguous()  # (3, 3, B*F)
    spans = _covered_spans(corners, height, width, cull_backfaces)

    span, column = _expand(spans.length)  # (M,) candidate pixels
    inverse_depth = torch.stack([spans.weight.sum(0), spans.slope.sum(0)]).index_select(1, span)
    inverse_depth = inverse_depth[0] + inverse_depth[1] * column.to(inverse_depth.dtype)
    image, face = spans.triangle // len(faces), spans.triangle % len(faces)  # (R,)
    first_pixel = (image * height + spans.row) * width + spans.start
    pixel = first_pixel.index_select(0, span) + column

    winner = _nearest(pixel, inverse_depth, num_images * height * width)  # (N,)
    span, column = span.index_select(0, winner), column.index_select(0, winner)
    slope = spans.slope.index_select(1, span) * column.to(spans.slope.dtype)
    weight = (spans.weight.index_select(1, span) + slope).clamp(min=0)  # (3, N)
    vertex = faces.T.index_select(1, face) + image * num_vertices  # (3, R)
    return Fragments(
        pixel=pixel.index_select(0, winner),
        face=face.index_select(0, span),
        vertex=vertex.index_select(1, span),
        barycentric=weight / weight.sum(0),
        depth=1 / inverse_depth.index_select(0, winner),
    )


def interpolate(attributes: Tensor, fragments: Fragments) -> Tensor:
    """Return the value of a vertex attribute at every fragment.

    Args:
        attributes: (..., V, C) one row for each vertex given to ``rasterize``.

    Returns:
        (N, C).
    """
    table = attributes.flatten(0, -2)  # (B*V, C)
    first, second, third = (
        table.index_select(0, vertex) * weight[:, None]
        for vertex, weight in zip(fragments.vertex, fragments.barycentric, strict=True)
    )
    return first + second + third


def vertex_normals(vertices: Tensor, faces: Tensor) -> Tensor:
    """Return outward unit normals, averaged over the adjacent faces by their area.

    Args:
        vertices: (..., V, 3).
        faces: (F, 3), counter-clockwise seen from outside.

    Returns:
        (..., V, 3).
    """
    a, b, c = vertices[..., faces, :].unbind(-2)
    face_normals = torch.linalg.cross(b - a, c - a)  # (..., F, 3), length is twice the area
    sums = vertices.new_zeros(vertices.shape[-2], face_normals[..., 0, :].numel())
    columns = face_normals.movedim(-2, 0).flatten(1)  # (F, ...): adding up rows is fastest
    for corner in faces.unbind(-1):
        sums = sums.index_add(0, corner, columns)
    normals = sums.unflatten(1, (*vertices.shape[:-2], 3)).movedim(0, -2)
    return F.normalize(normals, dim=-1)


def _covered_spans(corners: Tensor, height: int, width: int, cull_backfaces: bool) -> _Spans:
    """Cut rows of pixels with triangles: inside, all three barycentrics are non-negative.

    Args:
        corners: (3, 3, M): x, y, z of the three corners of M triangles.
    """
    slope_x, slope_y, visible = _barycentric_slopes(corners, cull_backfaces)
    triangle, row = _covered_rows(corners[1], visible, height)  # (R,)
    slope_x, slope_y = slope_x.index_select(1, triangle), slope_y.index_select(1, triangle)
    x, y = corners[:2, 0].index_select(1, triangle)  # the first corner, where they are (1, 0, 0)
    value = slope_y * (row - y)  # (3, R) at column x
    value[0] += 1

    zero = x - value / slope_x  # (3, R) the column where each barycentric changes its sign
    left = torch.where(slope_x > 0, zero, -torch.inf).amax(0)
    right = torch.where(slope_x < 0, zero, torch.inf).amin(0)
    start = (left - _EDGE_TOLERANCE).ceil().clamp(0, width)
    stop = (right + _EDGE_TOLERANCE).floor().clamp(-1, width - 1)
    length = (stop - start + 1).clamp(min=0).long()
    value = value + slope_x * (start - x)
    corner_depth = corners[2].index_select(1, triangle)
    weight, slope = value / corner_depth, slope_x / corner_depth
    return _Spans(triangle, row, start.long(), length, weight, slope)


def _barycentric_slopes(corners: Tensor, cull_backfaces: bool) -> tuple[Tensor, Tensor, Tensor]:
    """Return d(barycentric)/dx and /dy on the screen, (3, M) each, and what to draw, (M,)."""
    x, y, z = corners  # (3, M)
    x1, x2 = x[1] - x[0], x[2] - x[0]
    y1, y2 = y[1] - y[0], y[2] - y[0]
    double_area = x1 * y2 - x2 * y1  # negative where the outside faces the camera: y is down
    size = -double_area if cull_backfaces else double_area.abs()
    longest = (x.amax(0) - x.amin(0)).maximum(y.amax(0) - y.amin(0))
    visible = (size > _MIN_THICKNESS * longest) & (z > 0).all(0)
    slope_x = torch.stack([y1 - y2, y2, -y1]) / double_area
    slope_y = torch.stack([x2 - x1, -x2, x1]) / double_area
    return slope_x, slope_y, visible


def _covered_rows(y: Tensor, visible: Tensor, height: int) -> tuple[Tensor, Tensor]:
    """List the (triangle, image row) pairs that meet, from the corners' ``y`` (3, M)."""
    first = (y.amin(0) - _EDGE_TOLERANCE).ceil().clamp(0, height)
    last = (y.amax(0) + _EDGE_TOLERANCE).floor().clamp(-1, height - 1)
    count = torch.where(visible, last - first + 1, 0).clamp(min=0).long()
    triangle, offset = _expand(count)
    return triangle, first.long().index_select(0, triangle) + offset


def _expand(count: Tensor) -> tuple[Tensor, Tensor]:
    """Repeat index ``i`` ``count[i]`` times; return the indices and the place within each run."""
    index = torch.repeat_interleave(count)
    run_start = count.cumsum(0) - count
    place = torch.arange(len(index), device=count.device) - run_start.index_select(0, index)
    return index, place


def _nearest(pixel: Tensor, inverse_depth: Tensor, num_pixels: int) -> Tensor:
    """Return the index of the nearest candidate of every pixel that has one.

    The bits of positive floats sort like the floats. With 1 / depth in the high half and the
    candidate in the low half of an integer, one maximum settles both, on any device alike.
    """
    bits = inverse_depth.detach().to(torch.float32).view(torch.int32).long()
    first_wins = torch.arange(len(pixel), 0, -1, device=pixel.device)
    key = (bits << 32) | first_wins
    best = torch.zeros(num_pixels, dtype=torch.int64, device=pixel.device)
    best.scatter_reduce_(0, pixel, key, "amax")
    return torch.nonzero(best.index_select(0, pixel) == key)[:, 0]
