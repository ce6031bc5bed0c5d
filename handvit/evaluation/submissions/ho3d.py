"""Write predictions as HO3D's evaluation reads them, and read them back.

Its ``pred.json`` is ``[xyz, verts]``: for each line of ``evaluation.txt``, in that order, 21 joints
and 778 vertices in metres, with the axes (OpenGL) and the joint order (MANO's, tips at the end) of
its labels. Joints in another order go unnoticed but for errors of centimetres.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from handvit.atomic_file import atomic_file
from handvit.datasets.converters.ho3d.conventions import (
    OPENGL_TO_OPENCV,
    to_camera,
    to_keypoints,
)
from handvit.datasets.converters.ho3d.files import read_frame_list
from handvit.structures.skeleton import MANO_TO_CANONICAL, NUM_KEYPOINTS, NUM_VERTICES

#: ``ho3d = canonical[..., CANONICAL_TO_HO3D, :]``
CANONICAL_TO_HO3D = np.argsort(MANO_TO_CANONICAL)


class Ho3dSubmission(NamedTuple):
    """Hold the right hand of each line of ``evaluation.txt`` in its image's OpenCV camera."""

    keypoints_cam: np.ndarray  # (N, 21, 3) metres, canonical order
    vertices_cam: np.ndarray  # (N, 778, 3) metres

    def save(self, path: str | Path) -> None:
        """Write ``pred.json`` atomically and without rounding; the server takes it zipped.

        Raises:
            ValueError: shapes or numbers are not those of hands before a camera.
        """
        path = Path(path)
        _check_arrays(path, *self)
        self._check_in_front(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        joints = to_opengl(self.keypoints_cam)[:, CANONICAL_TO_HO3D]  # (N, 21, 3)
        with atomic_file(path) as file:
            for opening, hands in ((b"[[", joints), (b"], [", to_opengl(self.vertices_cam))):
                file.write(opening)
                # One by one: as Python's floats, all meshes together take gigabytes.
                for number, hand in enumerate(hands):
                    file.write(b", " * (number > 0) + json.dumps(hand.tolist()).encode())
            file.write(b"]]")

    @classmethod
    def load(cls, path: str | Path) -> "Ho3dSubmission":
        """Read a ``pred.json``, whoever wrote it.

        Raises:
            ValueError: it is missing, damaged or no submission; names the file and why.
        """
        path = Path(path)
        try:
            joints, vertices = json.loads(path.read_bytes())
            joints, vertices = np.array(joints, np.float64), np.array(vertices, np.float64)
        except (OSError, TypeError, ValueError) as error:
            raise ValueError(f"{path}: not a readable [xyz, verts] ({error})") from error
        _check_arrays(path, joints, vertices)
        submission = cls(keypoints_cam=to_keypoints(joints), vertices_cam=to_camera(vertices))
        submission._check_in_front(path)
        return submission

    def _check_in_front(self, path: Path) -> None:
        if not (self.keypoints_cam[..., 2] > 0).any():
            raise ValueError(
                f"{path}: no hand lies before the camera; z points forward in predictions"
                " (OpenCV), and backward in the file (OpenGL)"
            )


def to_opengl(points_cam: np.ndarray) -> np.ndarray:
    """Turn points into the axes of HO3D's labels, (..., 3) metres."""
    return points_cam / OPENGL_TO_OPENCV


def rows_in_list_order(sample_id: Sequence[str], list_path: str | Path) -> np.ndarray:
    """Find the hand of each line of ``evaluation.txt`` among predictions in any order.

    Args:
        sample_id: of the converted data set, ``NAME/SEQUENCE/cam0/FRAME/right``.

    Returns:
        (N,) rows of ``sample_id``.

    Raises:
        ValueError: a line has no prediction, or a prediction no line of its own.
    """
    rows = {tuple(name.split("/")[1::2]): row for row, name in enumerate(sample_id)}
    frames = [(frame.sequence, frame.number) for frame in read_frame_list(Path(list_path))]
    missing = [frame for frame in frames if frame not in rows]
    if missing or len(frames) != len(sample_id):
        raise ValueError(
            f"{list_path}: {len(missing)} of {len(frames)} frames have no prediction, such as"
            f" {missing[:3]}; there are {len(sample_id)} predictions, want one of each frame"
        )
    return np.array([rows[frame] for frame in frames])


def _check_arrays(path: Path, joints: np.ndarray, vertices: np.ndarray) -> None:
    for name, array, count in (("xyz", joints, NUM_KEYPOINTS), ("verts", vertices, NUM_VERTICES)):
        fits = array.shape[1:] == (count, 3) and array.shape[:1] == joints.shape[:1]
        if not fits or not np.isfinite(array).all():
            raise ValueError(
                f"{path}: {name} has shape {array.shape}, want (N, {count}, 3) with one N for both,"
                " and finite numbers"
            )
