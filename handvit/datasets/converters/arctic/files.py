"""Read and check the files of ARCTIC: splits, cameras and the motion of hands, in metres."""

import json
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from handvit.datasets.converters.plain_pickle import load_plain_npy

WHERE = "get it from arctic.is.tue.mpg.de"
NUM_STATIC_VIEWS = 8


class ArcticSubject(NamedTuple):
    """Hold what ``meta/misc.json`` says about the recordings of a person."""

    intrinsics: np.ndarray  # (8, 3, 3) of the static views, px
    world_to_cam: np.ndarray  # (8, 4, 4) of the static views
    image_sizes: np.ndarray  # (9, 2) width, height of the ego view and the static ones, px
    image_offset: int  # number in an image's name minus its row in the motion


class HandMotion(NamedTuple):
    """Hold MANO's parameters of one hand over F frames, in the world."""

    global_orient: np.ndarray  # (F, 3) axis-angle
    hand_pose: np.ndarray  # (F, 45) axis-angle, minus the mean pose
    transl: np.ndarray  # (F, 3) MANO's own
    betas: np.ndarray  # (F, 10)


class EgoCamera(NamedTuple):
    """Hold the head-mounted camera over F frames: ``X_cam = R X_world + t``."""

    rotation: np.ndarray  # (F, 3, 3)
    translation: np.ndarray  # (F, 3)
    intrinsics: np.ndarray  # (3, 3) px
    distortion: np.ndarray  # (8,) k1 k2 p1 p2 k3 k4 k5 k6 of OpenCV's rational model


def load_sequence_names(source: Path, protocol: str, part: str) -> list[str]:
    """Return the sequences of a split, such as ``s01/box_grab_01``, in the order of the file."""
    path = source / "splits_json" / f"protocol_{protocol}.json"
    names = _load_json(path).get(part)
    if not isinstance(names, list) or not names or not all(map(_is_sequence_name, names)):
        raise ValueError(f"{path}: {part} is no list of sequences such as s01/box_grab_01; {WHERE}")
    if len(set(names)) < len(names):
        raise ValueError(f"{path}: {part} names a sequence twice; {WHERE}")
    return names


def load_subjects(source: Path) -> dict[str, ArcticSubject]:
    """Read the static cameras of all subjects, s01 to s10.

    Raises:
        ValueError: names the file, the key and what is wrong with it.
    """
    path = source / "meta" / "misc.json"
    return {name: _subject(f"{path}: {name}", entry) for name, entry in _load_json(path).items()}


def load_motion(path: Path) -> dict[str, HandMotion]:
    """Read a ``.mano.npy``: the motion of the hands ``right`` and ``left``, equally long."""
    content = _load_npy(path)
    motions = {side: _motion(f"{path}: {side}", content.get(side)) for side in ("right", "left")}
    lengths = {side: len(motion.global_orient) for side, motion in motions.items()}
    if lengths["right"] != lengths["left"]:
        raise ValueError(f"{path}: the hands have different numbers of frames, {lengths}; {WHERE}")
    return motions


def load_ego_camera(path: Path) -> EgoCamera:
    """Read a ``.egocam.dist.npy``."""
    content = _load_npy(path)
    rotation = _array(path, content, "R_k_cam_np", (None, 3, 3))
    translation = _array(path, content, "T_k_cam_np", (len(rotation), 3, 1))
    intrinsics = _array(path, content, "intrinsics", (3, 3))
    _check_pinhole(path, intrinsics[None])
    distortion = _array(path, content, "dist8", (8,))
    if not np.isfinite(distortion).all():
        raise ValueError(f"{path}: dist8 is {distortion.tolist()}, want finite numbers; {WHERE}")
    return EgoCamera(rotation, translation[..., 0], intrinsics, distortion)


def _subject(where: str, entry: Any) -> ArcticSubject:
    if not isinstance(entry, dict):
        raise ValueError(f"{where}: is no record of cameras; {WHERE}")
    offset = entry.get("ioi_offset")
    if type(offset) is not int:
        raise ValueError(f"{where}: ioi_offset is {offset!r}, want a whole number; {WHERE}")
    intrinsics = _array(where, entry, "intris_mat", (NUM_STATIC_VIEWS, 3, 3))
    _check_pinhole(where, intrinsics)
    world_to_cam = _array(where, entry, "world2cam", (NUM_STATIC_VIEWS, 4, 4))
    sizes = _array(where, entry, "image_size", (NUM_STATIC_VIEWS + 1, 2)).astype(int)
    return ArcticSubject(intrinsics, world_to_cam, sizes, offset)


def _motion(where: str, entry: Any) -> HandMotion:
    if not isinstance(entry, dict):
        raise ValueError(f"{where}: is missing or no record of a hand; {WHERE}")
    orient = _array(where, entry, "rot", (None, 3))
    pose = _array(where, entry, "pose", (len(orient), 45))
    transl = _array(where, entry, "trans", (len(orient), 3))
    # One shape for all frames, or one for each: both are documented.
    betas = _array(where, entry, "shape", (10,) if np.ndim(entry.get("shape")) == 1 else (None, 10))
    if betas.ndim == 2 and len(betas) not in (1, len(orient)):
        raise ValueError(f"{where}: shape is {betas.shape} in {len(orient)} frames; {WHERE}")
    return HandMotion(orient, pose, transl, np.broadcast_to(betas, (len(orient), 10)).copy())


def _array(where: Path | str, record: dict, key: str, shape: tuple[int | None, ...]) -> np.ndarray:
    """Return numbers as float64; ``None`` stands for any length."""
    if record.get(key) is None:
        raise ValueError(f"{where}: {key} is missing; {WHERE}")
    try:
        array = np.asarray(record[key], np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{where}: {key} is no array of numbers ({error}); {WHERE}") from error
    fits = len(shape) == array.ndim and all(
        want in (None, length) for want, length in zip(shape, array.shape, strict=True)
    )
    if not fits:
        raise ValueError(f"{where}: {key} has shape {array.shape}, want {shape}; {WHERE}")
    return array


def _check_pinhole(where: Path | str, intrinsics: np.ndarray) -> None:
    """Refuse matrices (N, 3, 3) that two focal lengths and a principal point cannot express."""
    plain = np.zeros_like(intrinsics)
    for row, column in ((0, 0), (0, 2), (1, 1), (1, 2)):
        plain[:, row, column] = intrinsics[:, row, column]
    plain[:, 2, 2] = 1
    if not np.allclose(plain, intrinsics) or not (intrinsics[:, [0, 1], [0, 1]] > 0).all():
        raise ValueError(f"{where}: intrinsics are not those of a camera without skew; {WHERE}")


def _is_sequence_name(name: Any) -> bool:
    return isinstance(name, str) and name.count("/") == 1 and ".." not in name


def _load_npy(path: Path) -> dict[str, Any]:
    content = load_plain_npy(path)
    if not isinstance(content, dict):
        raise ValueError(f"{path}: holds a {type(content).__name__}, want a dictionary; {WHERE}")
    return content


def _load_json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_bytes())
    except OSError as error:
        raise ValueError(f"{path}: {error.strerror}; {WHERE}") from error
    except ValueError as error:
        raise ValueError(f"{path}: not a readable JSON file ({error}); {WHERE}") from error
    if not isinstance(content, dict):
        raise ValueError(f"{path}: holds a {type(content).__name__}, want an object; {WHERE}")
    return content
