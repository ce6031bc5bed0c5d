"""Load and save the arrays of a hand mesh in MANO's format, without ever unpickling.

Two families exist: the open hand, which ships with HandViT, and MANO itself, which every user
downloads under its own licence and converts once with ``tools/misc/setup_mano.py``.
"""

import hashlib
import zipfile
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from handvit.atomic_file import atomic_file

OPENHAND = "openhand"
MANO = "mano"
SETUP_HINT = "write it with: python tools/misc/setup_mano.py FOLDER_WITH_MANO_PKL"

_ASSETS = Path(__file__).parent / "assets"
_SIDES = {True: "right", False: "left"}
#: Key in the file -> (field of ``HandAsset``, shape, dtype). The order is part of the digest.
_ARRAYS = {
    "v_template": ("v_template", (778, 3), np.float32),
    "shapedirs": ("shapedirs", (778, 3, 10), np.float32),
    "posedirs": ("posedirs", (778, 3, 135), np.float32),
    "J_regressor": ("j_regressor", (16, 778), np.float32),
    "weights": ("weights", (778, 16), np.float32),
    "f": ("faces", (1538, 3), np.int64),
    "kintree_table": ("parents", (2, 16), np.int64),
    "hands_mean": ("hands_mean", (45,), np.float32),
    "hands_components": ("hands_components", (45, 45), np.float32),
}
#: Keys of the arrays in a hand model's file, named as in MANO's.
ARRAY_KEYS = tuple(_ARRAYS)


@dataclass(frozen=True, eq=False)
class HandAsset:
    """Everything that defines one hand model: metres, right or left, read-only by agreement."""

    name: str  # OPENHAND or MANO
    is_right: bool
    v_template: np.ndarray  # (778, 3) metres
    shapedirs: np.ndarray  # (778, 3, 10)
    posedirs: np.ndarray  # (778, 3, 135)
    j_regressor: np.ndarray  # (16, 778)
    weights: np.ndarray  # (778, 16)
    faces: np.ndarray  # (1538, 3) int64
    parents: tuple[int, ...]  # (16,) the root's is -1
    hands_mean: np.ndarray  # (45,) axis-angle
    hands_components: np.ndarray  # (45, 45) rows are components

    @cached_property
    def sha256(self) -> str:
        """Digest of the arrays' contents: equal arrays, equal digest, however they are stored."""
        digest = hashlib.sha256()
        for field, _, dtype in _ARRAYS.values():
            little_endian = np.dtype(dtype).newbyteorder("<")
            array = np.ascontiguousarray(getattr(self, field), dtype=little_endian)
            digest.update(f"{field}{array.shape}{array.dtype.str}".encode())
            digest.update(array.tobytes())
        return digest.hexdigest()

    @property
    def identity(self) -> str:
        """Name that tells hand models apart in checkpoints and predictions."""
        return f"{self.name}:{self.sha256[:12]}"


def load_hand_asset(source: str, *, is_right: bool = True) -> HandAsset:
    """Load a hand model.

    Args:
        source: ``'openhand'`` or the path of a ``.npz`` that ``setup_mano.py`` wrote.
        is_right: the wanted side; a file of the other side is refused.

    Raises:
        ValueError: the file is missing, is a pickle, is incomplete, or holds the other side.
    """
    if source == OPENHAND:
        path = _ASSETS / f"openhand_{_SIDES[is_right]}.npz"
        return asset_from_arrays(_read_npz(path), name=OPENHAND, is_right=is_right, path=path)
    path = Path(source)
    if path.suffix != ".npz":
        raise ValueError(f"{path}: not a .npz file (pickles are never loaded); {SETUP_HINT}")
    if not path.is_file():
        raise ValueError(f"{path}: no such file; {SETUP_HINT}")
    arrays = _read_npz(path)
    if "name" not in arrays:
        raise ValueError(f"{path}: key 'name' is missing, so it was not set up; {SETUP_HINT}")
    return asset_from_arrays(arrays, name=str(arrays["name"]), is_right=is_right, path=path)


def asset_from_arrays(
    arrays: dict[str, np.ndarray], *, name: str, is_right: bool, path: Path
) -> HandAsset:
    """Check raw arrays, named as in MANO's files, and build a ``HandAsset`` from them.

    Raises:
        ValueError: names ``path``, the key and what is wrong with it.
    """
    values = {}
    for key, (field, shape, dtype) in _ARRAYS.items():
        if key not in arrays:
            raise ValueError(f"{path}: key {key!r} is missing; {SETUP_HINT}")
        array = np.asarray(arrays[key])
        if array.shape != shape or array.dtype.kind not in "fiu":
            raise ValueError(
                f"{path}: {key} is {array.shape} {array.dtype}, want {shape} numbers; {SETUP_HINT}"
            )
        if not np.isfinite(array).all():
            raise ValueError(f"{path}: {key} holds NaN or infinity; {SETUP_HINT}")
        values[field] = array.astype(dtype)
    values["parents"] = _parents(values["parents"], path)
    asset = HandAsset(name=name, is_right=is_right, **values)
    _check_side(asset, path)
    return asset


def save_hand_asset(asset: HandAsset, path: Path) -> None:
    """Write a file that ``load_hand_asset`` reads; it appears complete or not at all."""
    arrays = {key: getattr(asset, field) for key, (field, _, _) in _ARRAYS.items()}
    arrays["kintree_table"] = np.array([asset.parents, range(len(asset.parents))], dtype=np.int64)
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_file(path) as file:
        np.savez_compressed(file, name=np.array(asset.name), **arrays)


def fix_left_shapedirs(shapedirs_left: np.ndarray, shapedirs_right: np.ndarray) -> np.ndarray:
    """Return left shape directions that mirror the right ones, (778, 3, 10).

    MANO's left file stores the right hand's shape directions un-mirrored in x, so one ``betas``
    gives two different people. Directions that are mirrored already return unchanged.

    Raises:
        ValueError: the two hands are neither equal nor mirrored, so no fix is known.
    """
    similarity_x = _cosine(shapedirs_left[:, 0], shapedirs_right[:, 0])
    similarity_yz = _cosine(shapedirs_left[:, 1:], shapedirs_right[:, 1:])
    if similarity_yz < 0.9 or abs(similarity_x) < 0.9:
        raise ValueError(
            f"shapedirs of the left hand do not belong to the right hand (cosine {similarity_x:.2f}"
            f" in x, {similarity_yz:.2f} in y and z); use both files of one MANO download"
        )
    sign_x = -np.sign(similarity_x)
    return shapedirs_left * np.array([sign_x, 1.0, 1.0], shapedirs_left.dtype)[:, None]


def _read_npz(path: Path) -> dict[str, np.ndarray]:
    try:
        with np.load(path, allow_pickle=False) as file:
            return {key: file[key] for key in ("name", *_ARRAYS) if key in file}
    except (OSError, EOFError, ValueError, zipfile.BadZipFile) as error:
        raise ValueError(f"{path}: not a readable .npz ({error}); {SETUP_HINT}") from error


def _parents(kintree_table: np.ndarray, path: Path) -> tuple[int, ...]:
    """Return each joint's parent, -1 for the root (files wrap it around as an unsigned integer)."""
    parents = (-1, *kintree_table[0, 1:].tolist())
    if not all(0 <= parent < joint for joint, parent in enumerate(parents[1:], start=1)):
        raise ValueError(f"{path}: kintree_table has a parent after its child: {parents}")
    return parents


def _check_side(asset: HandAsset, path: Path) -> None:
    """Refuse a file of the other side: fingers point to -x from the right wrist, else to +x."""
    joints = asset.j_regressor @ asset.v_template  # (16, 3)
    points_right = bool(joints[1:13, 0].mean() < joints[0, 0])
    if points_right != asset.is_right:
        raise ValueError(
            f"{path}: holds a {_SIDES[points_right]} hand, but is_right={asset.is_right};"
            " name the file of the other side or change is_right"
        )


def _cosine(first: np.ndarray, second: np.ndarray) -> float:
    return float((first * second).sum() / (np.linalg.norm(first) * np.linalg.norm(second)))
