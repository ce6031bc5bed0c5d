"""Draw what a hand looks like: skin, sleeve, light and the camera's imperfections.

Colours are linear light; the picture shows their square root (a gamma of two).
"""

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from handvit.datasets.synthetic.hand_paint import HandPaint

#: As displayed, RGB.
_LIGHT_SKIN = np.array([0.94, 0.76, 0.66])
_DARK_SKIN = np.array([0.34, 0.21, 0.15])


class Lighting(NamedTuple):
    """Hold the light that falls on a scene; the first of the L lights throws shadows."""

    ambient: Tensor  # (3,)
    directions: Tensor  # (L, 3) unit, from the scene to the light, camera axes
    colors: Tensor  # (L, 3)


class Look(NamedTuple):
    """Hold everything about a track that changes pixels but no label."""

    skin: Tensor  # (778, 3) albedo of the hand
    gloss: float  # strength of the skin's highlights
    sleeve: Tensor | None  # (3,) albedo, None for a bare arm
    wrist_bend: Tensor  # (3,) axis-angle of the forearm against the hand, rad
    lighting: Lighting
    blur: float  # px, standard deviation
    noise: float  # grey levels of 255, standard deviation


def sample_look(rng: np.random.Generator, paint: HandPaint) -> Look:
    """Draw the look of one track."""
    sleeve = rng.uniform(0.1, 0.95) * rng.uniform(0.5, 1, 3)
    return Look(
        skin=_tensor(_sample_skin(rng, paint)),
        gloss=rng.uniform(0.0, 0.25),
        sleeve=_tensor(sleeve**2) if rng.random() < 0.5 else None,
        wrist_bend=_tensor(np.array([0, rng.uniform(-0.35, 0.35), rng.uniform(-0.6, 0.6)])),
        lighting=_sample_lighting(rng),
        blur=max(0.0, rng.uniform(-0.4, 0.8)),
        noise=rng.uniform(0, 5),
    )


def _sample_skin(rng: np.random.Generator, paint: HandPaint) -> np.ndarray:
    """Draw a skin tone and vary it over the hand, (778, 3) linear albedo."""
    darkness = rng.random() ** 1.3
    tone = _LIGHT_SKIN + darkness * (_DARK_SKIN - _LIGHT_SKIN)
    tone = tone * rng.uniform(0.95, 1.04, 3)
    redness = rng.uniform(0.3, 1.5) * np.array([0.02, -0.05, -0.04])
    color = tone * (1 + (0.06 + 0.35 * darkness) * rng.uniform(0.5, 1.2) * paint.palm[:, None])
    color = color + (paint.knuckles + 0.7 * paint.finger_tips)[:, None] * redness
    nail = 0.3 * tone + 0.7 * np.array([0.98, 0.84, 0.82]) * (1 - 0.3 * darkness)
    color = color + 0.8 * paint.nails[:, None] * (nail - color)
    blotches = 0.025 * rng.standard_normal((len(color), 1))
    return (color * (1 + blotches)).clip(0.02, 1) ** 2


def _sample_lighting(rng: np.random.Generator) -> Lighting:
    """Draw one or two lights from the camera's side, mostly from above, warm or cold."""
    num_lights = rng.integers(1, 3)
    directions = rng.standard_normal((num_lights, 3)) * [0.8, 0.6, 0.4] + [0, -0.5, -0.9]
    directions[:, 2] = -np.abs(directions[:, 2])
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    strength = np.array([1.0, rng.uniform(0.2, 0.7)])[:num_lights]
    contrast = rng.uniform(0.45, 0.88)
    colors = contrast * (strength / strength.sum())[:, None] * _sample_tints(rng, num_lights)
    ambient = (1 - contrast) * _sample_tints(rng, 1)[0]
    exposure = rng.uniform(0.6, 1.35)
    return Lighting(_tensor(exposure * ambient), _tensor(directions), _tensor(exposure * colors))


def _sample_tints(rng: np.random.Generator, num_lights: int) -> np.ndarray:
    warmth = rng.normal(0, 0.12, (num_lights, 1))
    return 1 + warmth * np.array([1.0, 0.0, -1.0])


def _tensor(array: np.ndarray) -> Tensor:
    return torch.from_numpy(array).float()
