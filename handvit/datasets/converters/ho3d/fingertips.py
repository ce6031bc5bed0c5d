"""Find out which vertices of the mesh HO3D's finger tips are.

Its documents do not say. The candidates lie millimetres apart, the right one meets the tips.
"""

from typing import NamedTuple

import numpy as np

from handvit.structures.skeleton import FINGERTIP_VERTICES, NUM_KEYPOINTS

#: Indices of the tips among the keypoints, thumb..pinky.
TIPS = np.arange(4, NUM_KEYPOINTS, 4)
#: A set whose vertices lie further from the tips is another one.
MAX_TIP_GAP = 1e-3  # metres
#: Hands that are looked at.
NUM_PROBES = 20


class FingertipMatch(NamedTuple):
    """Hold the known set of tip vertices that comes nearest to the tips of some hands."""

    nearest: str  # key of FINGERTIP_VERTICES
    gap: float  # metres, median over the hands
    num_hands: int

    @property
    def name(self) -> str | None:
        """Name the set that the tips are, ``None`` where it is no known one."""
        return self.nearest if self.gap < MAX_TIP_GAP else None

    @property
    def note(self) -> str:
        """Say what was found, for ``DatasetInfo.source``."""
        found = f"{1000 * self.gap:.1f} mm from {self.nearest!r} (median of {self.num_hands} hands)"
        if self.name is None:
            return f"Tips are no known set of vertices: the nearest is {found}."
        return f"Tips are a known set of vertices: {found}."


def match_fingertips(keypoints: np.ndarray, vertices: np.ndarray) -> FingertipMatch:
    """Compare the tips of N right hands with all known sets of tip vertices.

    Args:
        keypoints: (N, 21, 3) canonical order, metres.
        vertices: (N, 778, 3) metres.
    """
    gaps = {}
    for name, tips in FINGERTIP_VERTICES.items():
        distances = np.linalg.norm(vertices[:, list(tips)] - keypoints[:, TIPS], axis=-1)  # (N, 5)
        gaps[name] = float(np.median(distances.mean(-1)))
    nearest = min(gaps, key=gaps.__getitem__)
    return FingertipMatch(nearest, gaps[nearest], len(keypoints))
