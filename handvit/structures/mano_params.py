"""Hold MANO parameters the way the network sees them: rotation matrices and the wrist."""

from typing import NamedTuple

from torch import Tensor

from handvit.geometry.rotation import mirror_points, mirror_rotation


class ManoParams(NamedTuple):
    """Pose, shape and place of hands.

    ``root_cam`` is the wrist of the mesh in camera space, not MANO's ``transl``:
    ``root_cam = transl + J0(betas)``.
    """

    global_orient: Tensor  # (..., 3, 3) wrist rotation, camera axes
    hand_pose: Tensor  # (..., 15, 3, 3) index, middle, pinky, ring, thumb; flat hand = identity
    betas: Tensor  # (..., 10)
    root_cam: Tensor  # (..., 3) metres

    def mirrored(self) -> "ManoParams":
        """Give the mirror-image hand: parameters for the other side's hand model."""
        return ManoParams(
            mirror_rotation(self.global_orient),
            mirror_rotation(self.hand_pose),
            self.betas,
            mirror_points(self.root_cam),
        )
