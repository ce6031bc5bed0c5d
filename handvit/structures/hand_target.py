"""Hold what a prediction should be, as the losses see it."""

from typing import NamedTuple

from torch import Tensor

from handvit.structures.hand_crops import HandCrops


class HandTarget(NamedTuple):
    """The predicted frame's crops and labels, with the mesh of the labelled MANO parameters."""

    crops: HandCrops  # (B, 1, ...)
    vertices_rel: Tensor  # (B, 1, 778, 3) metres; meaningless where ``mano_valid`` is false
