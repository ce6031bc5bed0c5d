"""Label the hands of HO3D: by MANO, by a wrist and a box, or by the ground truth."""

from dataclasses import replace
from pathlib import Path
from typing import ClassVar, Protocol

import numpy as np

from handvit.datasets.conversion.converter import Rejection
from handvit.datasets.converters.ho3d.conventions import (
    TIPS,
    Meta,
    mano_in_camera,
    nearest_fingertips,
    to_camera,
    to_keypoints,
)
from handvit.datasets.converters.json_arrays import first_json_array, load_json_arrays
from handvit.datasets.converters.projected_labels import label_keypoints, label_mesh
from handvit.hand_models.hand_pair import HandPair
from handvit.structures import HandSample
from handvit.structures.skeleton import NUM_KEYPOINTS, NUM_VERTICES, WRIST

#: MANO must give the 16 joints, which are its own, to this.
MAX_JOINT_GAP = 1e-3  # metres
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
        probe: labels of any frame. Which vertices HO3D's tips are is not documented, so the known
            set that comes closest to them is taken.
    """

    shapes: ClassVar = {
        "camMat": (3, 3), "handPose": (48,), "handTrans": (3,), "handBeta": (10,),
        "handJoints3D": (NUM_KEYPOINTS, 3),
    }  # fmt: skip

    def __init__(self, hands: HandPair, probe: Meta) -> None:
        mano = mano_in_camera(probe, hands.asset(True))
        mesh = hands.pose(True, **mano._asdict())
        self.fingertips, gap = nearest_fingertips(
            to_keypoints(probe["handJoints3D"]), mesh.vertices
        )
        self._hands = HandPair(hands.asset(True), hands.asset(False), fingertips=self.fingertips)
        self.hand_model = hands.name
        self.note = (
            f" Tips are nearest to the vertices called {self.fingertips!r},"
            f" {1000 * gap:.1f} mm in the first frame. bbox_xyxy is the tight box of mesh and"
            " keypoints."
        )

    def label(self, hand: HandSample, meta: Meta, index: int) -> HandSample | Rejection:
        """Fill in joints, MANO's parameters and the box of the mesh."""
        mano = mano_in_camera(meta, self._hands.asset(True))
        mesh = self._hands.pose(True, **mano._asdict())
        keypoints = to_keypoints(meta["handJoints3D"])
        gaps = np.linalg.norm(mesh.keypoints - keypoints, axis=-1)  # (21,)
        joint_gap = np.delete(gaps, TIPS).max()
        if joint_gap > MAX_JOINT_GAP:
            return Rejection(MISFIT, f"a joint is {1000 * joint_gap:.1f} mm off")
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
            mano_residual=float(gaps.mean()),
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
        vertices = first_json_array(folder / "evaluation_verts.json", (NUM_VERTICES, 3))
        self.fingertips, gap = nearest_fingertips(
            to_keypoints(self._joints[0]), to_camera(vertices)
        )
        self.note = (
            f" Keypoints are those of {path.name}. Tips are nearest to the vertices called"
            f" {self.fingertips!r}, {1000 * gap:.1f} mm in the first frame. bbox_xyxy is"
            " handBoundingBox."
        )

    def label(self, hand: HandSample, meta: Meta, index: int) -> HandSample | Rejection:
        """Fill in all keypoints and the published box."""
        keypoints = to_keypoints(self._joints[index])
        gap = np.linalg.norm(keypoints[WRIST] - to_camera(meta["handJoints3D"]))
        if gap > MAX_ROOT_GAP:
            return Rejection(OTHER_TRUTH, f"its wrist is {1000 * gap:.1f} mm off")
        return _in_published_box(hand, meta, keypoints, np.ones(NUM_KEYPOINTS, bool))


def _in_published_box(
    hand: HandSample, meta: Meta, keypoints: np.ndarray, valid: np.ndarray
) -> HandSample | Rejection:
    box = meta["handBoundingBox"]
    if (box[2:] <= box[:2]).any():
        return Rejection(EMPTY_BOX, str(box.tolist()))
    hand = label_keypoints(hand, keypoints, valid)
    return hand if isinstance(hand, Rejection) else replace(hand, bbox_xyxy=box)
