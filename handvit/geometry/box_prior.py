"""Guess where a hand is from the size of its box."""

from torch import Tensor

from handvit.geometry.boxes import bbox_center, bbox_size
from handvit.geometry.camera import pixel_rays

#: What log(distance / prior distance) spans for hands of all sizes and poses: a factor of two
#: either way. Set by the design; ``compute_statistics.py`` prints how many hands lie beyond it.
LOG_RATIO_RANGE = (-0.71, 0.75)


def box_prior(bbox: Tensor, focal: Tensor, princpt: Tensor) -> Tensor:
    """Point at the box centre, as far away as a hand of one metre would be to fill the box.

    ``sqrt(fx fy) / sqrt(w h) * ray`` with the ray (z = 1) through the box centre; multiply by the
    size of a hand as boxes show it (0.12 to 0.14 m).

    Args:
        bbox: (..., 4) px, tight.
        focal: (..., 2) px.
        princpt: (..., 2) px.

    Returns:
        (..., 3).
    """
    ray = pixel_rays(bbox_center(bbox)[..., None, :], focal, princpt)[..., 0, :]
    area = bbox_size(bbox).prod(-1).clamp_min(1e-6)
    return ray * (focal.prod(-1) / area).sqrt()[..., None]
