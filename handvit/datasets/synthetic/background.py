"""Paint backgrounds: gradients, smooth noise, stripes and a clutter of shapes."""

import cv2
import numpy as np

_MAX_SHAPES = 14
_FIXED_POINT_BITS = 3  # cv2 draws at 1/8 px


def _polygon(num_corners: int) -> np.ndarray:
    turn = np.linspace(0, 2 * np.pi, num_corners, endpoint=False) + np.pi / 4
    return np.stack([np.cos(turn), np.sin(turn)], axis=1)


#: Triangle, box, bar, ellipse.
_OUTLINES = (_polygon(3), _polygon(4), _polygon(4) * [4, 0.3], _polygon(16))


def paint_background(rng: np.random.Generator, size: int) -> np.ndarray:
    """Paint a square picture, (size, size, 3) uint8 RGB."""
    canvas = _smooth_noise(rng, size)
    if rng.random() < 0.25:
        _add_stripes(rng, canvas)
    canvas = canvas.clip(0, 255).astype(np.uint8)
    _draw_shapes(rng, canvas)
    return _defocus(canvas, blur=rng.choice([1.0, 1.0, 1.5, 3.0]))


def _smooth_noise(rng: np.random.Generator, size: int) -> np.ndarray:
    """Add up noise from coarse to fine: the coarsest grid makes the gradient, float32."""
    noise = np.broadcast_to(_sample_colors(rng, 1), (2, 2, 3)).astype(np.float32)
    contrast = rng.uniform(10, 60)
    for cells in (2, 4, 10, 32):
        noise = cv2.resize(noise, (cells, cells), interpolation=cv2.INTER_LINEAR)
        grey = rng.standard_normal((cells, cells, 1), dtype=np.float32)
        hue = rng.standard_normal((cells, cells, 3), dtype=np.float32)
        noise = noise + contrast * (0.8 * grey + 0.25 * hue)
        contrast *= rng.uniform(0.2, 0.7)
    return cv2.resize(noise, (size, size), interpolation=cv2.INTER_LINEAR)


def _add_stripes(rng: np.random.Generator, canvas: np.ndarray) -> None:
    angle, period = rng.uniform(0, np.pi), len(canvas) * rng.uniform(0.03, 0.3)
    along = np.arange(len(canvas), dtype=np.float32) * np.float32(2 * np.pi / period)
    wave = np.sin(along * np.float32(np.cos(angle)) + along[:, None] * np.float32(np.sin(angle)))
    canvas += wave[..., None] * rng.uniform(-40, 40, 3).astype(np.float32)


def _sample_colors(rng: np.random.Generator, count: int) -> np.ndarray:
    """Draw colours of some brightness, more often dull than bright, (count, 3) up to 255."""
    colors = rng.uniform(10, 245, (count, 3))
    grey = colors.mean(1, keepdims=True)
    return grey + rng.beta(1.2, 2.5, (count, 1)) * (colors - grey)


def _draw_shapes(rng: np.random.Generator, canvas: np.ndarray) -> None:
    """Draw triangles, boxes, bars and ellipses on top of each other."""
    size, count = len(canvas), rng.integers(_MAX_SHAPES + 1)
    kinds = rng.integers(len(_OUTLINES), size=count)
    centers = rng.uniform(0, size, (count, 1, 2))
    extents = size * rng.uniform(0.03, 0.3, (count, 2))
    angles = rng.uniform(0, 2 * np.pi, count)
    cosine, sine = np.cos(angles), np.sin(angles)
    turns = np.array([[cosine, sine], [-sine, cosine]]).transpose(2, 0, 1)  # (count, 2, 2)
    shapes = extents[..., None] * turns * 2**_FIXED_POINT_BITS
    centers = centers * 2**_FIXED_POINT_BITS
    colors = _sample_colors(rng, count).tolist()
    for kind, shape, center, color in zip(kinds, shapes, centers, colors, strict=True):
        points = (_OUTLINES[kind] @ shape + center).astype(np.int32)
        cv2.fillConvexPoly(canvas, points, color, cv2.LINE_AA, _FIXED_POINT_BITS)


def _defocus(canvas: np.ndarray, blur: float) -> np.ndarray:
    """Blur by going through a smaller picture."""
    size = len(canvas)
    small = max(2, round(size / blur))
    if small == size:
        return canvas
    canvas = cv2.resize(canvas, (small, small), interpolation=cv2.INTER_AREA)
    return cv2.resize(canvas, (size, size), interpolation=cv2.INTER_LINEAR)
