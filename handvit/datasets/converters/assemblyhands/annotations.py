"""Read the annotation files of one egocentric split of AssemblyHands."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from handvit.datasets.converters.interhand_images import image_table
from handvit.datasets.converters.interhand_joints import (
    METRES_PER_UNIT,
    NUM_JOINTS,
    WorldCamera,
    WorldJoints,
)
from handvit.datasets.converters.interhand_json import numbers, read_image_list, read_json

HINT = (
    "get the v1-1 annotations of AssemblyHands from https://assemblyhands.github.io and keep"
    " annotations/SPLIT/ and images/ego_images_rectified/ as they are"
)
SIDES = ("right", "left")
#: The calibration names a camera by its image folder, data.json without this end.
_CAMERA_SUFFIX = "_mono10bit"


class _Image(NamedTuple):
    """Keep what is needed of an object in ``images``."""

    id: int
    file_name: str
    size: tuple[int, int]
    sequence: str
    camera: str
    frame: int

    KEY = "file_name"

    @classmethod
    def of(cls, record: dict[str, Any]) -> "_Image":
        return cls(
            record["id"],
            record["file_name"],
            (record["width"], record["height"]),
            record["seq_name"],
            record["camera"],
            int(record["frame_idx"]),
        )


class _Annotation(NamedTuple):
    """Keep what is needed of an object in ``annotations``."""

    id: int
    image_id: int
    has_hand: tuple[bool, bool]  # has a box: right, left
    joint_valid: bytes  # (42,) bool

    KEY = "joint_valid"

    @classmethod
    def of(cls, record: dict[str, Any]) -> "_Annotation":
        boxes = record["bbox"]
        return cls(
            record["id"],
            record["image_id"],
            tuple(boxes[side] is not None for side in SIDES),
            numbers(record["joint_valid"], (NUM_JOINTS,), bool).tobytes(),
        )


@dataclass(frozen=True, kw_only=True)
class Annotations:
    """Hold the annotations of one split.

    ``images`` has one row an image, sorted by sequence, camera and frame, with the columns
    ``annotation``, ``sequence``, ``camera``, ``frame``, ``file_name``, ``size``, ``has_hand``
    (right, left) and ``joint_valid``.
    """

    data_path: Path  # the file of images, for messages
    images: np.ndarray  # (N,) structured
    cameras: Mapping[str, Any]
    joints: Mapping[str, Mapping[str, WorldJoints]]

    @classmethod
    def read(cls, source: Path, split: str) -> "Annotations":
        """Read all files of a split.

        Raises:
            ValueError: names a file that is missing, damaged or of another version.
        """
        folder = source / "annotations" / split
        data_path = folder / f"assemblyhands_{split}_ego_data_v1-1.json"
        images = _read_images(data_path)
        calib_path = folder / f"assemblyhands_{split}_ego_calib_v1-1.json"
        joints_path = folder / f"assemblyhands_{split}_joint_3d_v1-1.json"
        return cls(
            data_path=data_path,
            images=images,
            cameras=_section(calib_path, "calibration", _cameras),
            joints=_section(joints_path, "annotations", WorldJoints.compact),
        )

    def camera(self, row: np.void) -> WorldCamera | None:
        """Return the camera at the instant of an image, ``None`` where its place is not known.

        The headset moves, so every frame has its own ``X_cam = R X_world + t``, millimetres.
        """
        sequence = self.cameras.get(row["sequence"].decode())
        if sequence is None:
            return None
        name = row["camera"].decode().removesuffix(_CAMERA_SUFFIX) + _CAMERA_SUFFIX
        intrinsics = sequence["intrinsics"].get(name)
        extrinsics = sequence["extrinsics"].get(frame_key(row), {}).get(name)
        if intrinsics is None or extrinsics is None:
            return None
        rotation, translation = extrinsics[:, :3], extrinsics[:, 3] * METRES_PER_UNIT
        return WorldCamera(rotation, translation, intrinsics[[0, 1], [0, 1]], intrinsics[:2, 2])

    def world_joints(self, row: np.void) -> WorldJoints | None:
        """Return the joints at the instant of an image, ``None`` where there are none."""
        return self.joints.get(row["sequence"].decode(), {}).get(frame_key(row))


def frame_key(row: np.void) -> str:
    """Name the frame of an image as the files do."""
    return f"{row['frame']:06d}"


def _section(path: Path, name: str, compact: Callable[[dict[str, Any]], Any]) -> Mapping[str, Any]:
    content = read_json(path, compact, hint=HINT)
    if name not in content:
        raise ValueError(f"{path}: {name!r} is missing; {HINT}")
    return content[name]


def _read_images(path: Path) -> np.ndarray:
    pairs = read_image_list(path, _Image, _Annotation, hint=HINT)
    rows, annotations = [image for image, _ in pairs], [annotation for _, annotation in pairs]
    valid = [annotation.joint_valid for annotation in annotations]
    return image_table(
        {
            "annotation": [annotation.id for annotation in annotations],
            "sequence": [image.sequence for image in rows],
            "camera": [image.camera for image in rows],
            "frame": [image.frame for image in rows],
            "file_name": [image.file_name for image in rows],
            "size": [image.size for image in rows],
            "has_hand": [annotation.has_hand for annotation in annotations],
            "joint_valid": np.frombuffer(b"".join(valid), bool).reshape(-1, NUM_JOINTS),
        }
    )


def _cameras(record: dict[str, Any]) -> dict[str, Any]:
    """Turn the matrices of the cameras into arrays, 3x3 intrinsics and 3x4 extrinsics."""
    if not record or not next(iter(record)).endswith(_CAMERA_SUFFIX):
        return record
    return {name: numbers(matrix, (3, -1)) for name, matrix in record.items()}
