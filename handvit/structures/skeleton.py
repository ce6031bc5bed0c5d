"""Name the 21 keypoints of a hand, their bones, and the orders other people keep them in.

Canonical order ("OpenPose hand"): wrist, then thumb, index, middle, ring, pinky, each from its
base to its tip.
"""

from types import MappingProxyType

FINGER_NAMES = ("thumb", "index", "middle", "ring", "pinky")
KEYPOINT_NAMES = ("wrist", *(f"{finger}{i}" for finger in FINGER_NAMES for i in (1, 2, 3, 4)))
NUM_KEYPOINTS = len(KEYPOINT_NAMES)
NUM_VERTICES = 778
WRIST = 0

#: (parent, child) keypoint indices, finger by finger from the wrist outwards.
BONES = tuple(
    (WRIST if joint == 0 else 4 * finger + joint, 4 * finger + joint + 1)
    for finger in range(5)
    for joint in range(4)
)

#: ``canonical = mano_and_tips[MANO_TO_CANONICAL]`` where the source is MANO's 16 joints (wrist,
#: index, middle, pinky, ring, thumb) followed by the tips thumb..pinky. HO3D and ARCTIC use it too.
MANO_TO_CANONICAL = (
    0, 13, 14, 15, 16, 1, 2, 3, 17, 4, 5, 6, 18, 10, 11, 12, 19, 7, 8, 9, 20,
)  # fmt: skip

#: Mesh vertices that stand for the finger tips, thumb..pinky. The sets differ by millimetres to a
#: centimetre, so every shard's metadata names the one it was made with.
FINGERTIP_VERTICES = MappingProxyType(
    {
        "smplx": (744, 320, 443, 554, 671),
        "manopth": (745, 317, 444, 556, 673),
        "freihand": (744, 320, 443, 555, 672),
        "ho3d": (744, 333, 444, 555, 672),
    }
)
