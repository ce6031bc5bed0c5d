"""Pose the hand model that HOT3D was annotated with, from what its files say of it.

UmeTrack (Han et al. 2022) is a skeleton of joints with one axis each, fitted to a person: the user
profile in ``__hand_shapes.json__`` holds it, in millimetres, as a left hand whose wrist is the
origin. MANO was fitted to its landmarks afterwards, and not in every frame.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from scipy.spatial.transform import Rotation

from handvit.datasets.converters.hot3d.records import Rigid, numbers

NUM_JOINTS = 20  # the profile's others belong to the forearm and do not move
NUM_LANDMARKS = 20  # a further one in the profile is the middle of the palm
METRES_PER_UNIT = 0.001
_NUM_BONES = 17
_NONE = 255
#: ``keypoints[KEYPOINTS] = landmarks[LANDMARKS]``. Left out are the base of the thumb, which has no
#: landmark, and the wrist, whose landmark lies more than a centimetre from MANO's.
KEYPOINTS = np.array([2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20])
LANDMARKS = np.array([6, 7, 0, 8, 9, 10, 1, 11, 12, 13, 2, 14, 15, 16, 3, 17, 18, 19, 4])


class UmeTrackMesh(NamedTuple):
    """Hold a posed hand, metres."""

    landmarks: np.ndarray  # (20, 3) in UmeTrack's order
    vertices: np.ndarray  # (V, 3)


class UmeTrackHand:
    """Hold one person's skeleton and skin.

    Args:
        profile: JSON object of the shape file.

    Raises:
        ValueError: names the key and what is wrong with it.
    """

    def __init__(self, profile: Mapping[str, Any]) -> None:
        self._axes = numbers(profile, "joint_rotation_axes", (None, 3))[:NUM_JOINTS]
        self._places = numbers(profile, "joint_rest_positions", (None, 3))[:NUM_JOINTS]
        self._parents = _indices(profile, "joint_parent", NUM_JOINTS)
        self._bones = _indices(profile, "joint_frame_index", _NUM_BONES)
        _check_order(self._parents)
        self._landmarks = numbers(profile, "landmark_rest_positions", (None, 3))[:NUM_LANDMARKS]
        self._vertices = numbers(profile, "mesh_vertices", (None, 3))
        weights = numbers(profile, "dense_bone_weights", (len(self._vertices), _NUM_BONES))
        self._weights = np.concatenate([_landmark_weights(profile), weights])  # (20 + V, 17)

    def pose(self, is_right: bool, joint_angles: np.ndarray, wrist: Rigid) -> UmeTrackMesh:
        """Pose a hand; right hands are mirror images of the profile's.

        Args:
            joint_angles: (20 or more,) rad.
            wrist: from the wrist to the wanted axes.
        """
        points = np.concatenate([self._landmarks, self._vertices])  # (N, 3)
        rotations, offsets = self._bone_motions(joint_angles)
        moved = np.einsum("bij,nj->nbi", rotations, points) + offsets  # (N, 17, 3)
        posed = np.einsum("nb,nbi->ni", self._weights, moved) * METRES_PER_UNIT
        posed = wrist.apply(posed * [-1, 1, 1] if is_right else posed)
        return UmeTrackMesh(posed[:NUM_LANDMARKS], posed[NUM_LANDMARKS:])

    def _bone_motions(self, joint_angles: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return how bones move from rest, rotations (17, 3, 3) and offsets (17, 3)."""
        angles = joint_angles[:NUM_JOINTS, None]
        turns = Rotation.from_rotvec(self._axes * angles).as_matrix()  # (20, 3, 3)
        shifts = self._places - np.einsum("jab,jb->ja", turns, self._places)
        rotations, offsets = np.tile(np.eye(3), (_NUM_BONES, 1, 1)), np.zeros((_NUM_BONES, 3))
        for joint, (parent, bone) in enumerate(zip(self._parents, self._bones, strict=True)):
            if parent != _NONE:
                shifts[joint] = turns[parent] @ shifts[joint] + shifts[parent]
                turns[joint] = turns[parent] @ turns[joint]
            if bone != _NONE:
                rotations[bone], offsets[bone] = turns[joint], shifts[joint]
        return rotations, offsets


def _indices(profile: Mapping[str, Any], key: str, stop: int) -> list[int]:
    """Return one index below ``stop`` a joint; 255 stands for none."""
    values = numbers(profile, key, (None,))[:NUM_JOINTS].astype(int).tolist()
    if len(values) < NUM_JOINTS or not {*values} <= {*range(stop), _NONE}:
        raise ValueError(f"{key}: {values} are not {NUM_JOINTS} indices below {stop}")
    return values


def _check_order(parents: list[int]) -> None:
    if not all(parent < joint or parent == _NONE for joint, parent in enumerate(parents)):
        raise ValueError(f"joint_parent: a parent comes after its child in {parents}")


def _landmark_weights(profile: Mapping[str, Any]) -> np.ndarray:
    """Return how much each landmark follows each bone, (20, 17)."""
    indices = numbers(profile, "landmark_rest_bone_indices", (None, None)).astype(int)
    weights = numbers(profile, "landmark_rest_bone_weights", indices.shape)
    if len(indices) < NUM_LANDMARKS or indices.min() < 0 or indices.max() >= _NUM_BONES:
        raise ValueError(f"landmark_rest_bone_indices: want {NUM_LANDMARKS} rows of bones 0 to 16")
    table = np.zeros((NUM_LANDMARKS, _NUM_BONES))
    rows = np.arange(NUM_LANDMARKS)[:, None]
    np.add.at(table, (rows, indices[:NUM_LANDMARKS]), weights[:NUM_LANDMARKS])
    return table
