"""Convert DexYCB: one hand that grasps objects, seen by eight cameras (Chao et al. 2021)."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch

from handvit.datasets.conversion.converter import RawFrame, Rejection, Unit, View
from handvit.datasets.converters.dexycb.files import (
    WHERE,
    ColorCamera,
    HandLabels,
    Sequence,
    load_betas,
    load_extrinsics,
    load_intrinsics,
    load_labels,
    load_sequence,
)
from handvit.datasets.converters.dexycb.splits import NUM_SEQUENCES, SPLITS
from handvit.datasets.shards.dataset_info import DatasetInfo
from handvit.geometry.camera import project
from handvit.hand_models.hand_pair import HandPair
from handvit.hand_models.mano_conversion import add_mean_pose, pca_to_axis_angle, transl_to_root
from handvit.structures import HandSample
from handvit.structures.skeleton import NUM_KEYPOINTS

IMAGE_SIZE = (640, 480)
FRAME_RATE = 30.0  # Hz
FINGERTIPS = "manopth"
NO_LABELS = "labels are missing"
BAD_LABELS = "labels are not readable"
NO_HAND = "no hand is annotated"
IMPOSSIBLE = "labels hold NaN or lie behind the camera"


def load_hands(source: str) -> HandPair:
    """Load the hand models that DexYCB was fitted with.

    Args:
        source: as in ``HandPair.load``.
    """
    return HandPair.load(source, fingertips=FINGERTIPS, stock_left=True)


class DexYcbConverter:
    """Convert a split of one setup.

    Args:
        source: folder with the ten subjects and ``calibration/``.
        split: key of ``dexycb_splits.SPLITS``.
        hands: of ``load_hands``.

    Raises:
        ValueError: names what is missing or wrong in ``source``.
    """

    def __init__(self, source: Path | str, *, split: str, view: View, hands: HandPair) -> None:
        self.view = view
        self.info = _info(split, hands)
        self._source = Path(source)
        self._hands = hands
        members = SPLITS[split]
        self._cameras = {
            serial: load_intrinsics(self._source, serial) for serial in members.serials
        }
        self._sequences = {
            f"{subject}/{names[place]}": load_sequence(self._source / subject / names[place])
            for subject in members.subjects
            for names in [_sequence_names(self._source / subject)]
            for place in members.sequences
        }
        used = self._sequences.values()
        self._betas = {
            name: load_betas(self._source, name) for name in {entry.mano_calib for entry in used}
        }
        self._extrinsics = {
            name: load_extrinsics(self._source, name)
            for name in {entry.extrinsics for entry in used}
        }

    def units(self) -> list[Unit]:
        """Return each sequence from each camera; the names are folders."""
        return [
            Unit(f"{name}/{serial}", sequence.num_frames)
            for name, sequence in self._sequences.items()
            for serial in self._cameras
        ]

    def samples(self, unit: Unit) -> Iterator[HandSample | Rejection]:
        """Yield the hand of each frame in which it is annotated."""
        folder = self._source / unit.name
        sequence = self._sequences[unit.name.rpartition("/")[0]]
        for frame in range(sequence.num_frames):
            path = folder / f"labels_{frame:06d}.npz"
            labels = _read_labels(path)
            if isinstance(labels, Rejection):
                yield labels
                continue
            hand = self._label(labels, sequence, unit.name, frame)
            image = folder / f"color_{frame:06d}.jpg"
            yield from self.view.store(RawFrame.of_file(image, [hand]))

    def _label(self, labels: HandLabels, sequence: Sequence, name: str, frame: int) -> HandSample:
        subject, recording, serial = name.split("/")
        camera = self._cameras[serial]
        pose = self._pose(labels, sequence)
        mesh = self._hands.pose(sequence.is_right, **pose)
        side = "right" if sequence.is_right else "left"
        annotated = np.ones(NUM_KEYPOINTS, bool)
        sample = HandSample(
            sample_id=f"dexycb/{subject}_{recording}/{serial}/{frame:06d}/{side}",
            image=b"",
            image_size=IMAGE_SIZE,
            is_right=sequence.is_right,
            bbox_xyxy=_tight_box(mesh.vertices, labels.keypoints_img, camera),
            focal=camera.focal,
            princpt=camera.princpt,
            camera_valid=True,
            frame_time=frame / FRAME_RATE,
            keypoints_img=labels.keypoints_img,
            keypoints_img_valid=annotated,
            keypoints_cam=labels.keypoints_cam,
            keypoints_cam_valid=annotated,
            extra={
                "subject": subject,
                "camera_to_world": self._extrinsics[sequence.extrinsics][serial].tolist(),
            },
        )
        # The betas of left hands belong to MANO's stock left hand, which is not ours.
        return self._hands.label(sample, **pose) if sequence.is_right else sample

    def _pose(self, labels: HandLabels, sequence: Sequence) -> dict[str, np.ndarray]:
        """Return the arguments that pose the hand in the camera."""
        asset = self._hands.asset(sequence.is_right)
        betas = self._betas[sequence.mano_calib]
        return {
            "global_orient": labels.global_orient,
            "hand_pose": add_mean_pose(pca_to_axis_angle(labels.coefficients, asset), asset),
            "betas": betas,
            "root": transl_to_root(labels.transl, betas, asset),
        }


def _read_labels(path: Path) -> HandLabels | Rejection:
    """Return the labels of a frame in which a hand is annotated, or why there are none."""
    try:
        labels = load_labels(path)
    except FileNotFoundError:
        return Rejection(NO_LABELS, f"{path}; {WHERE}")
    except ValueError as error:
        return Rejection(BAD_LABELS, str(error))
    if labels.is_absent:
        return Rejection(NO_HAND, str(path))
    return labels if labels.is_possible else Rejection(IMPOSSIBLE, str(path))


def _tight_box(
    vertices_cam: np.ndarray, keypoints_img: np.ndarray, camera: ColorCamera
) -> np.ndarray:
    vertices_img = project(*map(torch.from_numpy, (vertices_cam, *camera))).numpy()
    points = np.concatenate([vertices_img, keypoints_img])
    return np.concatenate([points.min(0), points.max(0)])


def _sequence_names(subject: Path) -> list[str]:
    """Return the sequences of a subject in the order in which the splits count them."""
    if not subject.is_dir():
        raise ValueError(f"{subject}: no such folder, but the split needs it; {WHERE}")
    names = sorted(entry.name for entry in subject.iterdir() if entry.is_dir())
    if len(names) != NUM_SEQUENCES:
        raise ValueError(
            f"{subject}: holds {len(names)} sequences, want {NUM_SEQUENCES}: the splits count them"
            f" in their order; {WHERE}"
        )
    return names


def _info(split: str, hands: HandPair) -> DatasetInfo:
    return DatasetInfo(
        name="dexycb",
        split=split,
        source=(
            "DexYCB of dex-ycb.github.io: pose_m, joint_3d and joint_2d of labels_*.npz, in the"
            f" camera of each view. frame_time counts frames at {FRAME_RATE:g} Hz. bbox_xyxy is"
            " the tight box of the projected mesh and joint_2d. All keypoints of an annotated"
            " hand are valid, also where an object hides them. Left hands have no MANO"
            " parameters: they were fitted with MANO's stock left shapedirs, to which a corrected"
            " left hand gives another shape. extra.camera_to_world is [R | t] in metres."
        ),
        license="CC BY-NC 4.0",
        hand_model=hands.name,
        fingertips=FINGERTIPS,
    )
