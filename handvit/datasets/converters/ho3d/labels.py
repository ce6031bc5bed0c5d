"""Label the hands of HO3D: by MANO, by a wrist and a box, or by the ground truth."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import ClassVar, Protocol

import numpy as np

from handvit.datasets.conversion.converter import Rejection
from handvit.datasets.converters.ho3d.conventions import (
    Meta,
    mano_in_camera,
    to_camera,
    to_keypoints,
)
from handvit.datasets.converters.ho3d.fingertips import NUM_PROBES, TIPS, match_fingertips
from handvit.datasets.converters.json_arrays import json_entries, load_json_arrays
from handvit.datasets.converters.projected_labels import label_keypoints, label_mesh
from handvit.hand_models.hand_pair import HandPair
from handvit.structures import HandSample
from handvit.structures.skeleton import NUM_KEYPOINTS, NUM_VERTICES, WRIST

#: MANO must give the 16 joints, which are its own, to this.
MAX_JOINT_GAP = 1e-3  # metres
#: Poses the mesh where the set is not known; its tips are then compared with nothing.
DEFAULT_FINGERTIPS = "smplx"
#: The published root and the root in the ground truth are the same point up to refinements.
MAX_ROOT_GAP = 5e-3  # metres
MISFIT = "MANO does not give handJoints3D"
EMPTY_BOX = "handBoundingBox is empty"
OTHER_TRUTH = "ground truth is that of another frame"


class Ho3dLabels(Protocol):
    """Label the hand of a frame."""

    shapes: ClassVar[dict[str, tuple[int, ...]]]  # the fields of a label file and their shapes
    hand_model: str | None
    fingertips: str | None
    note: str  # for DatasetInfo.source

    def label(self, hand: HandSample, meta: Meta, index: int) -> HandSample | Rejection:
        """Fill in the labels of a hand whose camera is known.

        Args:
            index: line of the frame in the list of its split.

        Returns:
            The hand, or why it cannot be labelled; the file is not named.
        """


class TrainLabels:
    """Label frames that have MANO's parameters and all joints.

    Args:
        hands: MANO; its set of tip vertices is not used.
        probes: labels of some frames, by which the set of tip vertices is found.
    """

    shapes: ClassVar = {
        "camMat": (3, 3), "handPose": (48,), "handTrans": (3,), "handBeta": (10,),
        "handJoints3D": (NUM_KEYPOINTS, 3),
    }  # fmt: skip

    def __init__(self, hands: HandPair, probes: Sequence[Meta]) -> None:
        right, left = hands.asset(True), hands.asset(False)
        keypoints = to_keypoints(np.stack([meta["handJoints3D"] for meta in probes]))
        meshes = [hands.pose(True, **mano_in_camera(meta, right)._asdict()) for meta in probes]
        match = match_fingertips(keypoints, np.stack([mesh.vertices for mesh in meshes]))
        self.fingertips = match.name
        self._hands = HandPair(right, left, fingertips=match.name or DEFAULT_FINGERTIPS)
        self.hand_model = hands.name
        self.note = (
            f" {match.note} mano_residual is the mean distance of"
            f" {'the joints without the tips' if match.name is None else 'all keypoints'}."
            " bbox_xyxy is the tight box of mesh and keypoints."
        )

    def label(self, hand: HandSample, meta: Meta, index: int) -> HandSample | Rejection:
        """Fill in joints, MANO's parameters and the box of the mesh."""
        mano = mano_in_camera(meta, self._hands.asset(True))
        mesh = self._hands.pose(True, **mano._asdict())
        keypoints = to_keypoints(meta["handJoints3D"])
        gaps = np.linalg.norm(mesh.keypoints - keypoints, axis=-1)  # (21,)
        joint_gaps = np.delete(gaps, TIPS)  # (16,)
        if joint_gaps.max() > MAX_JOINT_GAP:
            return Rejection(MISFIT, f"a joint is {1000 * joint_gaps.max():.1f} mm off")
        hand = label_mesh(hand, keypoints, mesh.vertices)
        if isinstance(hand, Rejection):
            return hand
        return replace(
            hand,
            mano_valid=True,
            global_orient=mano.global_orient,
            hand_pose=mano.hand_pose,
            betas=mano.betas,
            mano_root_cam=mano.root,
            mano_residual=float((joint_gaps if self.fingertips is None else gaps).mean()),
        )


class EvaluationLabels:
    """Label frames of which only the wrist and a box are published."""

    shapes: ClassVar = {"camMat": (3, 3), "handJoints3D": (3,), "handBoundingBox": (4,)}
    hand_model = None
    fingertips: str | None = None
    note = " Only the wrist is labelled. bbox_xyxy is handBoundingBox."

    def label(self, hand: HandSample, meta: Meta, index: int) -> HandSample | Rejection:
        """Fill in the wrist and the box."""
        keypoints, valid = np.zeros((NUM_KEYPOINTS, 3)), np.zeros(NUM_KEYPOINTS, bool)
        keypoints[WRIST], valid[WRIST] = to_camera(meta["handJoints3D"]), True
        return _in_published_box(hand, meta, keypoints, valid)


class GroundTruthLabels:
    """Label frames of the evaluation with the ground truth that was published later.

    The box stays the published one: what a method is given must not depend on the ground truth.

    Args:
        folder: holds ``evaluation_xyz.json`` and, to name the tip vertices,
            ``evaluation_verts.json``: OpenGL axes, MANO's order, one entry a line of the list.
        num_frames: lines of the list.

    Raises:
        ValueError: a file is missing or damaged, or belongs to another list.
    """

    shapes: ClassVar = EvaluationLabels.shapes
    hand_model = None

    def __init__(self, folder: Path, *, num_frames: int) -> None:
        path = folder / "evaluation_xyz.json"
        self._joints = load_json_arrays(path, (NUM_KEYPOINTS, 3))
        if len(self._joints) != num_frames:
            raise ValueError(
                f"{path}: {len(self._joints)} entries for {num_frames} frames of evaluation.txt;"
                " take both from the same version"
            )
        vertices = _first_meshes(folder / "evaluation_verts.json", min(NUM_PROBES, num_frames))
        match = match_fingertips(to_keypoints(self._joints[: len(vertices)]), to_camera(vertices))
        self.fingertips = match.name
        self.note = (
            f" Keypoints are those of {path.name}. {match.note} bbox_xyxy is handBoundingBox."
        )

    def label(self, hand: HandSample, meta: Meta, index: int) -> HandSample | Rejection:
        """Fill in all keypoints and the published box."""
        keypoints = to_keypoints(self._joints[index])
        gap = np.linalg.norm(keypoints[WRIST] - to_camera(meta["handJoints3D"]))
        if gap > MAX_ROOT_GAP:
            return Rejection(OTHER_TRUTH, f"its wrist is {1000 * gap:.1f} mm off")
        return _in_published_box(hand, meta, keypoints, np.ones(NUM_KEYPOINTS, bool))


def _first_meshes(path: Path, number: int) -> np.ndarray:
    """Read the first meshes of the ground truth, (number, 778, 3) metres, OpenGL axes."""
    entries = list(islice(json_entries(path), number))
    shape = (number, NUM_VERTICES, 3)
    try:
        meshes = np.array(entries, np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{path}: its first {number} entries are no meshes ({error})") from error
    if meshes.shape != shape or not np.isfinite(meshes).all():
        raise ValueError(f"{path}: begins with {meshes.shape}, want {shape}, finite numbers")
    return meshes


def _in_published_box(
    hand: HandSample, meta: Meta, keypoints: np.ndarray, valid: np.ndarray
) -> HandSample | Rejection:
    box = meta["handBoundingBox"]
    if (box[2:] <= box[:2]).any():
        return Rejection(EMPTY_BOX, str(box.tolist()))
    hand = label_keypoints(hand, keypoints, valid)
    return hand if isinstance(hand, Rejection) else replace(hand, bbox_xyxy=box)
