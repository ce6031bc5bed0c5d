"""Say where a head that thinks in means and deviations should place the wrist."""

from torch import Tensor, nn

from handvit.models.losses.routing import root_valid
from handvit.structures import HandLabels
from handvit.structures.skeleton import WRIST


def root_in_deviations(
    labels: HandLabels, unit: nn.Module, mean: Tensor, std: Tensor
) -> tuple[Tensor, Tensor]:
    """Return the labelled wrist in standard deviations from the mean, and where that is known.

    Args:
        labels: (B, T, ...).
        unit: what ``mean`` and ``std`` are measured in; the labelled hand tells its own unit.
        mean: (3,) units; likewise ``std``.

    Returns:
        (B, T, 3), and (B, T) bool: real camera, labelled wrist, and joints that tell the unit.
    """
    length = unit(labels.keypoints_cam).clamp_min(1e-6)  # (B, T) metres
    place = labels.keypoints_cam[..., WRIST, :] / length[..., None]
    known = root_valid(labels) & unit.valid(labels.keypoints_cam_valid)
    return (place - mean) / std, known
