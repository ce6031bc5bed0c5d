"""Read the annotation files of one split of InterHand2.6M."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from handvit.datasets.converters.interhand26m.times import frame_times
from handvit.datasets.converters.interhand_images import image_table
from handvit.datasets.converters.interhand_joints import (
    METRES_PER_UNIT,
    NUM_JOINTS,
    WorldCamera,
    WorldJoints,
)
from handvit.datasets.converters.interhand_json import numbers, read_image_list, read_json

#: Hands that an image of each type is annotated with, by ``is_right``.
HAND_TYPES = {"right": (True,), "left": (False,), "interacting": (True, False)}
HINT = (
    "get the annotations of InterHand2.6M v1.0 for your images (5 fps or 30 fps) from"
    " https://mks0601.github.io/InterHand2.6M and keep annotations/SPLIT/ and images/SPLIT/ as"
    " they are"
)


class _Image(NamedTuple):
    """Keep what is needed of an object in ``images``."""

    id: int
    file_name: str
    size: tuple[int, int]
    capture: int
    subject: str
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
            int(record["capture"]),
            str(record["subject"]),
            record["seq_name"].replace("/", "-"),
            str(record["camera"]),
            int(record["frame_idx"]),
        )


class _Annotation(NamedTuple):
    """Keep what is needed of an object in ``annotations``."""

    id: int
    image_id: int
    bbox_xywh: bytes  # (4,) float64 px; bytes take less memory than small arrays
    joint_valid: bytes  # (42,) bool, annotated and inside the image
    hand_type: str

    KEY = "joint_valid"

    @classmethod
    def of(cls, record: dict[str, Any]) -> "_Annotation":
        return cls(
            record["id"],
            record["image_id"],
            numbers(record["bbox"], (4,)).tobytes(),
            numbers(record["joint_valid"], (NUM_JOINTS,), bool).tobytes(),
            _hand_type(record),
        )


@dataclass(frozen=True, kw_only=True)
class Annotations:
    """Hold the annotations of one split.

    ``images`` has one row an image, sorted by sequence, camera and frame, with the columns
    ``annotation``, ``capture``, ``subject``, ``sequence``, ``camera``, ``frame``, ``time`` (seconds
    since the sequence began), ``file_name``, ``size``, ``bbox_xywh``, ``joint_valid`` and
    ``hand_type``. The other files are looked up by capture and frame.
    """

    data_path: Path  # data.json, for messages
    images: np.ndarray  # (N,) structured
    cameras: Mapping[str, Mapping[str, WorldCamera]]
    joints: Mapping[str, Mapping[str, WorldJoints]]
    mano: Mapping[str, Any]

    @classmethod
    def read(cls, source: Path, *, split: str, fps: int, with_mano: bool) -> "Annotations":
        """Read all files of a split.

        Args:
            fps: of the release, 5 or 30.

        Raises:
            ValueError: names a file that is missing, damaged or of another release.
        """
        data_path = annotation_path(source, split, "data")
        images = _read_images(data_path, fps)
        cameras = read_json(annotation_path(source, split, "camera"), _cameras, hint=HINT)
        joints = read_json(
            annotation_path(source, split, "joint_3d"), WorldJoints.compact, hint=HINT
        )
        mano_path = annotation_path(source, split, "MANO_NeuralAnnot")
        mano = read_json(mano_path, _mano, hint=HINT) if with_mano else {}
        return cls(data_path=data_path, images=images, cameras=cameras, joints=joints, mano=mano)

    def camera(self, row: np.void) -> WorldCamera | None:
        """Return the camera of an image, ``None`` where it is not calibrated."""
        return self.cameras.get(str(row["capture"]), {}).get(row["camera"].decode())

    def world_joints(self, row: np.void) -> WorldJoints | None:
        """Return the joints at the instant of an image, ``None`` where there are none.

        Release v0.0 had bare coordinates; what is inside the image is known to be annotated then.
        """
        joints = _at(self.joints, row)
        if isinstance(joints, list):
            return WorldJoints(numbers(joints, (NUM_JOINTS, 3)), row["joint_valid"])
        return joints

    def mano_parameters(self, row: np.void, is_right: bool) -> Mapping[str, np.ndarray] | None:
        """Return ``pose`` (48,), ``shape`` (10,) and ``trans`` (3,) in the world, or ``None``."""
        hands = _at(self.mano, row)
        return None if hands is None else hands.get("right" if is_right else "left")


def annotation_path(source: Path, split: str, kind: str) -> Path:
    """Name an annotation file."""
    return source / "annotations" / split / f"InterHand2.6M_{split}_{kind}.json"


def _at(frames: Mapping[str, Mapping[str, Any]], row: np.void) -> Any:
    """Look an image's instant up; the keys of these files are strings, and any may be missing."""
    return frames.get(str(row["capture"]), {}).get(str(row["frame"]))


def _read_images(path: Path, fps: int) -> np.ndarray:
    pairs = read_image_list(path, _Image, _Annotation, hint=HINT)
    rows, annotations = [image for image, _ in pairs], [annotation for _, annotation in pairs]
    boxes = [annotation.bbox_xywh for annotation in annotations]
    valid = [annotation.joint_valid for annotation in annotations]
    table = image_table(
        {
            "annotation": [annotation.id for annotation in annotations],
            "capture": [image.capture for image in rows],
            "subject": [image.subject for image in rows],
            "sequence": [f"Capture{image.capture}-{image.sequence}" for image in rows],
            "camera": [image.camera for image in rows],
            "frame": [image.frame for image in rows],
            "time": np.zeros(len(rows)),  # needs the rows in order
            "file_name": [image.file_name for image in rows],
            "size": [image.size for image in rows],
            "bbox_xywh": np.frombuffer(b"".join(boxes)).reshape(-1, 4),
            "joint_valid": np.frombuffer(b"".join(valid), bool).reshape(-1, NUM_JOINTS),
            "hand_type": [annotation.hand_type for annotation in annotations],
        }
    )
    table["time"] = frame_times(table, fps)
    return table


def _hand_type(record: dict[str, Any]) -> str:
    if record["hand_type"] not in HAND_TYPES:
        raise ValueError(
            f"annotation {record['id']}: hand_type is {record['hand_type']!r}, want one of"
            f" {list(HAND_TYPES)}"
        )
    return record["hand_type"]


def _cameras(record: dict[str, Any]) -> Any:
    """Turn the objects of a capture, each by camera, into cameras."""
    if not {"campos", "camrot"} & record.keys():
        return record
    return {name: _camera(record, name) for name in record["camrot"]}


def _camera(capture: Mapping[str, Any], name: str) -> WorldCamera:
    """Return a camera, of which the file has the centre: ``X_cam = R (X_world - campos)``, mm."""
    rotation = numbers(capture["camrot"][name], (3, 3))
    position = numbers(capture["campos"][name], (3,)) * METRES_PER_UNIT
    focal, princpt = (numbers(capture[key][name], (2,)) for key in ("focal", "princpt"))
    return WorldCamera(rotation, -rotation @ position, focal, princpt)


def _mano(record: dict[str, Any]) -> Any:
    if "pose" not in record:
        return record
    shapes = {"pose": (48,), "shape": (10,), "trans": (3,)}
    return {name: numbers(record[name], shape) for name, shape in shapes.items()}
