"""Convert the egocentric images of AssemblyHands (Ohkawa et al. 2023), annotations v1-1.

Two hands that assemble toys, seen by the four grey fisheye cameras of a headset, rectified. The
labels are 3D joints; there is no MANO. CC-BY-NC 4.0.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from handvit.datasets.conversion.converter import RawFrame, Rejection, Unit, View
from handvit.datasets.conversion.view import checked
from handvit.datasets.converters.assemblyhands.annotations import SIDES, Annotations, frame_key
from handvit.datasets.converters.interhand_images import cut_stretches
from handvit.datasets.converters.interhand_joints import (
    HAND_JOINTS,
    SeenJoints,
    WorldCamera,
    tight_box,
)
from handvit.datasets.shards.dataset_info import DatasetInfo
from handvit.structures import HandSample

SPLITS = ("train", "val", "test")
FRAME_RATE = 60.0  # Hz, at which frames are numbered; every second one is annotated
MIN_JOINTS = 10  # of a hand; the data set's own loader leaves out hands with fewer

NO_CAMERA = "camera is not calibrated at this frame"
NO_JOINTS = "frame has no 3D joints"
FEW_JOINTS = "hand has fewer than 10 annotated joints"
NOT_IN_IMAGE = "hand has no annotated joint in the image"

_SUBJECT = re.compile(r"_(\d+)_user_id_")


class AssemblyHandsConverter:
    """Convert a split.

    Args:
        source: folder with ``images/ego_images_rectified/`` and ``annotations/``.
        split: one of ``SPLITS``.

    Raises:
        ValueError: names the file of ``source`` that is missing or wrong.
    """

    def __init__(self, source: Path | str, *, split: str, view: View) -> None:
        self.view = view
        self.info = _info(split)
        self._split = split
        self._folder = Path(source) / "images"
        self._annotations = Annotations.read(Path(source), split)
        self._stretches = cut_stretches(self._annotations.images)

    def units(self) -> list[Unit]:
        """List stretches of one camera in one sequence."""
        return list(self._stretches)

    def samples(self, unit: Unit) -> Iterator[HandSample | Rejection]:
        """Yield the hands of a stretch, frame by frame, the right one first."""
        for row in self._annotations.images[self._stretches[unit]]:
            camera = self._annotations.camera(row)
            world = self._annotations.world_joints(row)
            if camera is None or world is None:
                yield Rejection(NO_CAMERA if camera is None else NO_JOINTS, self._where(row))
                continue
            joints = SeenJoints.of(world, camera, row["joint_valid"])
            hands = []
            for side in np.array(SIDES)[row["has_hand"]]:
                hand = self._hand(row, joints, camera, str(side))
                if isinstance(hand, Rejection):
                    yield hand
                else:
                    hands.append(hand)
            if hands:
                path = self._folder / row["file_name"].decode()
                yield from self.view.store(RawFrame.of_file(path, hands))

    def _hand(
        self, row: np.void, joints: SeenJoints, camera: WorldCamera, side: str
    ) -> HandSample | Rejection:
        is_right = side == "right"
        where = f"{self._where(row)}: {side}"
        if row["joint_valid"][HAND_JOINTS[is_right]].sum() < MIN_JOINTS:
            return Rejection(FEW_JOINTS, where)
        size = tuple(row["size"].tolist())
        labels = joints.inside(size).labels(is_right)
        if not labels["keypoints_img_valid"].any():
            return Rejection(NOT_IN_IMAGE, where)
        sequence = row["sequence"].decode()
        place = f"{self._split}-{sequence}/{row['camera'].decode()}/{frame_key(row)}"
        return checked(
            HandSample(
                sample_id=f"assemblyhands/{place}/{side}",
                image=b"",
                image_size=size,
                is_right=is_right,
                bbox_xyxy=tight_box(labels["keypoints_img"][labels["keypoints_img_valid"]]),
                focal=camera.focal,
                princpt=camera.princpt,
                camera_valid=True,
                frame_time=float(row["frame"] / FRAME_RATE),
                extra=_subject(sequence),
                **labels,
            )
        )

    def _where(self, row: np.void) -> str:
        return f"{self._annotations.data_path}: annotation {row['annotation']}"


def _subject(sequence: str) -> dict[str, Any]:
    """Return the provenance of a sequence, whose name holds the number of its user."""
    found = _SUBJECT.search(sequence)
    return {"subject": found[1]} if found else {}


def _info(split: str) -> DatasetInfo:
    return DatasetInfo(
        name="assemblyhands",
        split=split,
        source=(
            "AssemblyHands, rectified egocentric images, annotations v1-1. keypoints_img are the"
            " projected 3D joints, valid inside the image. frame_time takes frames to be numbered"
            f" at {FRAME_RATE:g} Hz."
        ),
        license="CC-BY-NC 4.0",
    )
