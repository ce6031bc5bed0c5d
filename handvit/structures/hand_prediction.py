"""Hold what the model says about hands."""

from typing import Any, NamedTuple

from torch import Tensor

from handvit.structures.mano_params import ManoParams


class HandPrediction(NamedTuple):
    """Hands in camera space, metres.

    ``root`` is what the translation head returned: a named tuple of its own with at least
    ``root_cam`` and ``depth_std``; its other fields are for that head's loss. ``pose`` is what the
    pose head returned: rotations, or a named tuple that has them as ``rotations`` and a method
    ``mirrored()``.

    Where the estimator's ``predict`` turns a mirrored hand back to a left one, ``root_cam`` and
    ``depth_std`` are the left hand's, but the other fields of ``root`` stay in the virtual camera
    of the right hand.
    """

    mano: ManoParams
    keypoints_cam: Tensor  # (..., 21, 3) metres
    vertices_cam: Tensor  # (..., 778, 3) metres
    root: NamedTuple
    pose: Any

    @property
    def root_cam(self) -> Tensor:
        """Wrist in camera space, (..., 3) metres."""
        return self.mano.root_cam

    @property
    def keypoints_rel(self) -> Tensor:
        """Keypoints minus the wrist, camera axes, (..., 21, 3) metres."""
        return self.keypoints_cam - self.root_cam[..., None, :]

    @property
    def vertices_rel(self) -> Tensor:
        """Mesh minus the wrist, camera axes, (..., 778, 3) metres."""
        return self.vertices_cam - self.root_cam[..., None, :]
