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

#: ``canonical = interhand[INTERHAND_TO_CANONICAL]`` for one hand of InterHand2.6M (AssemblyHands
#: too): thumb..pinky, each from its tip to its base, then the wrist.
INTERHAND_TO_CANONICAL = (
    20, 3, 2, 1, 0, 7, 6, 5, 4, 11, 10, 9, 8, 15, 14, 13, 12, 19, 18, 17, 16,
)  # fmt: skip

#: ``canonical = rhd[RHD_TO_CANONICAL]`` for one hand of RHD: wrist, then thumb..pinky, each from
#: its tip to its base.
RHD_TO_CANONICAL = (
    0, 4, 3, 2, 1, 8, 7, 6, 5, 12, 11, 10, 9, 16, 15, 14, 13, 20, 19, 18, 17,
)  # fmt: skip

#: Mesh vertices that stand for the finger tips, thumb..pinky. The sets differ by millimetres to a
#: centimetre, so every shard's metadata names the one it was made with.
FINGERTIP_VERTICES = MappingProxyType(
    {
        "smplx": (744, 320, 443, 554, 671),
        "manopth": (745, 317, 444, 556, 673),
        "freihand": (744, 320, 443, 555, 672),
        "ho3d": (744, 333, 444, 555, 672),
        "honnotate": (745, 320, 444, 555, 657),
    }
)
#: Sets that take other vertices on the left hand.
_LEFT_FINGERTIP_VERTICES = MappingProxyType({"manopth": (745, 317, 445, 556, 673)})


def fingertip_vertices(name: str, *, is_right: bool) -> tuple[int, ...]:
    """Return the tip vertices thumb..pinky of one side in a set.

    Raises:
        ValueError: there is no set of this name.
    """
    if name not in FINGERTIP_VERTICES:
        raise ValueError(f"fingertips: {name!r} is unknown; choose from {list(FINGERTIP_VERTICES)}")
    if not is_right and name in _LEFT_FINGERTIP_VERTICES:
        return _LEFT_FINGERTIP_VERTICES[name]
    return FINGERTIP_VERTICES[name]
