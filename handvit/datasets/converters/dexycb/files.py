"""Read and check the files of DexYCB: sequences, calibration and labels."""

import zipfile
import zlib
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import yaml

from handvit.datasets.converters.dexycb.splits import SERIALS
from handvit.structures.skeleton import NUM_KEYPOINTS

WHERE = "get it from dex-ycb.github.io"
#: Members of a labels file that are read. Its segmentation, most of the bytes, is not among them.
_LABEL_SHAPES = {
    "pose_m": (1, 51),
    "joint_3d": (1, NUM_KEYPOINTS, 3),
    "joint_2d": (1, NUM_KEYPOINTS, 2),
}
#: What NumPy raises for a file that is no complete archive of arrays.
_UNREADABLE = (EOFError, OSError, ValueError, NotImplementedError, zipfile.BadZipFile, zlib.error)


class Sequence(NamedTuple):
    """Describe a recording of one hand, seen by all cameras."""

    num_frames: int
    is_right: bool
    mano_calib: str  # names the betas
    extrinsics: str  # names the places of the cameras


class ColorCamera(NamedTuple):
    """Hold the intrinsics of a camera's colour images; they have no lens distortion."""

    focal: np.ndarray  # (2,) px
    princpt: np.ndarray  # (2,) px


class HandLabels(NamedTuple):
    """Hold what a labels file says about the hand, in the camera of the image, metres."""

    global_orient: np.ndarray  # (3,) axis-angle
    coefficients: np.ndarray  # (45,) of MANO's pose components, minus the mean pose
    transl: np.ndarray  # (3,) MANO's own
    keypoints_cam: np.ndarray  # (21, 3)
    keypoints_img: np.ndarray  # (21, 2) px

    @property
    def is_absent(self) -> bool:
        """Whether the file says that no hand is seen: keypoints of -1, or a pose of zeros."""
        pose = np.concatenate([self.global_orient, self.coefficients, self.transl])
        return bool((self.keypoints_cam == -1).all() or (pose == 0).all())

    @property
    def is_possible(self) -> bool:
        """Whether all labels are finite and the keypoints of a hand lie before the camera."""
        is_finite = all(np.isfinite(array).all() for array in self)
        return bool(is_finite and (self.keypoints_cam[:, 2] > 0).all())


def load_sequence(folder: Path) -> Sequence:
    """Read ``meta.yml`` of a sequence.

    Raises:
        ValueError: it is missing, or not that of a recording of one hand.
    """
    path = folder / "meta.yml"
    meta = load_yaml(path)
    num_frames = _entry(path, meta, "num_frames", int)
    sides = _entry(path, meta, "mano_sides", list)
    calibrations = _entry(path, meta, "mano_calib", list)
    if sides not in (["right"], ["left"]) or len(calibrations) != 1 or num_frames < 1:
        raise ValueError(
            f"{path}: num_frames {num_frames}, mano_sides {sides}, mano_calib {calibrations};"
            f" want frames of one right or left hand; {WHERE}"
        )
    extrinsics = _entry(path, meta, "extrinsics", str)
    return Sequence(num_frames, sides == ["right"], str(calibrations[0]), extrinsics)


def load_intrinsics(source: Path, serial: str) -> ColorCamera:
    """Read the intrinsics of one camera."""
    path = source / "calibration" / "intrinsics" / f"{serial}_640x480.yml"
    color = _entry(path, load_yaml(path), "color", dict)
    fx, fy, cx, cy = (_entry(path, color, key, float) for key in ("fx", "fy", "ppx", "ppy"))
    return ColorCamera(np.array([fx, fy]), np.array([cx, cy]))


def load_extrinsics(source: Path, name: str) -> dict[str, np.ndarray]:
    """Read the places of all cameras in the world, which is one of them.

    Returns:
        Camera serial -> (3, 4) ``[R | t]`` with ``X_world = R X_cam + t``, metres.
    """
    path = source / "calibration" / f"extrinsics_{name}" / "extrinsics.yml"
    rows = _entry(path, load_yaml(path), "extrinsics", dict)
    return {serial: _numbers(path, rows, serial, 12).reshape(3, 4) for serial in SERIALS}


def load_betas(source: Path, name: str) -> np.ndarray:
    """Read the shape of a subject's hands, (10,); right and left share it."""
    path = source / "calibration" / f"mano_{name}" / "mano.yml"
    return _numbers(path, load_yaml(path), "betas", 10)


def load_labels(path: Path) -> HandLabels:
    """Read the labels of one frame.

    Raises:
        ValueError: the file is damaged or laid out otherwise.
        FileNotFoundError: there is none.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in _LABEL_SHAPES}
    except FileNotFoundError:
        raise
    except KeyError as error:
        raise ValueError(f"{path}: {error.args[0]}; {WHERE}") from error
    except _UNREADABLE as error:
        raise ValueError(f"{path}: not a readable .npz ({error}); {WHERE}") from error
    for name, shape in _LABEL_SHAPES.items():
        array = arrays[name]
        if array.shape != shape or array.dtype.kind != "f":
            raise ValueError(f"{path}: {name} is {array.shape} {array.dtype}, want {shape} floats")
    pose, keypoints_cam, keypoints_img = (array[0].astype(np.float64) for array in arrays.values())
    return HandLabels(pose[:3], pose[3:48], pose[48:], keypoints_cam, keypoints_img)


def load_yaml(path: Path) -> dict[str, Any]:
    """Read a YAML mapping without building anything but plain values.

    Raises:
        ValueError: names the file that is missing, damaged or asks for other objects.
    """
    try:
        content = yaml.load(path.read_bytes(), Loader=_PlainLoader)
    except OSError as error:
        raise ValueError(f"{path}: {error.strerror}; {WHERE}") from error
    except (yaml.YAMLError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise ValueError(f"{path}: not a plain YAML file ({reason}); {WHERE}") from error
    if not isinstance(content, dict):
        raise ValueError(f"{path}: holds a {type(content).__name__}, want a mapping; {WHERE}")
    return content


class _PlainLoader(yaml.SafeLoader):
    """Build plain values; the calibration was written with tuples, which become lists."""


_PlainLoader.add_constructor(
    "tag:yaml.org,2002:python/tuple",
    lambda loader, node: loader.construct_sequence(node, deep=True),
)


def _entry(path: Path, record: dict[str, Any], key: str, kind: type) -> Any:
    value = record.get(key)
    if kind is float and isinstance(value, int):
        value = float(value)
    if not isinstance(value, kind):
        raise ValueError(f"{path}: {key} is {value!r}, want a {kind.__name__}; {WHERE}")
    return value


def _numbers(path: Path, record: dict[str, Any], key: str, count: int) -> np.ndarray:
    values = _entry(path, record, key, list)
    if len(values) != count or not all(isinstance(value, int | float) for value in values):
        raise ValueError(f"{path}: {key} is {values}, want {count} numbers; {WHERE}")
    return np.array(values, np.float64)
