"""Keep predictions on disk: one ``.npz`` file, one row a hand, readable with numpy alone."""

import json
import zipfile
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import numpy as np

from handvit.atomic_file import atomic_file

FORMAT_VERSION = 1
UNITS = "m"
FRAME = "opencv camera of the stored image"
_HEADER = "header"
_COLUMNS = {
    "sample_id": (),
    "frame_time": (),
    "is_right": (),
    "keypoints_cam": (21, 3),
    "root_cam": (3,),
    "global_orient": (3,),
    "hand_pose": (45,),
    "betas": (10,),
    "focal": (2,),
    "princpt": (2,),
    "bbox_xyxy": (4,),
}


@dataclass(frozen=True, kw_only=True)
class PredictionHeader:
    """State what made the predictions and how to read them."""

    hand_model: str  # identity of the hand model's arrays, empty when unknown
    config: str  # empty when unknown
    checkpoint: str  # empty when unknown
    units: str = UNITS
    frame: str = FRAME
    format_version: int = FORMAT_VERSION


@dataclass(frozen=True, kw_only=True)
class PredictionFile:
    """Hold N predicted hands; left hands are left hands, in the stored image's camera."""

    header: PredictionHeader
    sample_id: np.ndarray  # (N,) str
    frame_time: np.ndarray  # (N,) seconds
    is_right: np.ndarray  # (N,) bool
    keypoints_cam: np.ndarray  # (N, 21, 3) metres
    root_cam: np.ndarray  # (N, 3) metres, the wrist
    global_orient: np.ndarray  # (N, 3) axis-angle, camera axes
    hand_pose: np.ndarray  # (N, 45) full axis-angle: flat hand = zero
    betas: np.ndarray  # (N, 10)
    focal: np.ndarray  # (N, 2) px
    princpt: np.ndarray  # (N, 2) px
    bbox_xyxy: np.ndarray  # (N, 4) px

    def __len__(self) -> int:
        return len(self.sample_id)

    def select(self, rows: np.ndarray) -> "PredictionFile":
        """Keep the given rows (numbers or a mask), in the given order."""
        columns = {name: getattr(self, name)[rows] for name in _COLUMNS}
        return PredictionFile(header=self.header, **columns)

    def save(self, path: str | Path) -> None:
        """Write atomically; lengths and rotations become float32, times stay float64."""
        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        columns = {name: _narrow(name, getattr(self, name)) for name in _COLUMNS}
        with atomic_file(path) as file:
            np.savez(file, **{_HEADER: np.array(json.dumps(asdict(self.header)))}, **columns)

    @classmethod
    def load(cls, path: str | Path) -> "PredictionFile":
        """Read what ``save`` wrote; numbers come back as float64.

        Raises:
            FileNotFoundError: no such file.
            ValueError: no prediction file, another version, or damaged; names the file and why.
        """
        arrays = _read_arrays(path)
        if _HEADER not in arrays:
            raise ValueError(
                f"{path}: no {_HEADER!r} inside; write prediction files with tools/test.py"
                " or PredictionFile.save"
            )
        header = _parse_header(path, str(arrays.pop(_HEADER)))
        _check_columns(path, arrays)
        return cls(header=header, **{name: _widen(array) for name, array in arrays.items()})


def _read_arrays(path: str | Path) -> dict[str, np.ndarray]:
    with Path(path).open("rb") as file:
        is_archive = zipfile.is_zipfile(file)
    if not is_archive:
        raise ValueError(f"{path}: no .npz file, or cut short; write it again")
    try:
        with np.load(path, allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}
    except (ValueError, EOFError, zipfile.BadZipFile) as error:
        raise ValueError(f"{path}: not a readable prediction file ({error})") from error


def _parse_header(path: str | Path, text: str) -> PredictionHeader:
    try:
        values = json.loads(text)
    except json.JSONDecodeError as error:
        raise ValueError(f"{path}: header is not JSON ({error})") from error
    version = values.get("format_version") if isinstance(values, dict) else None
    if version != FORMAT_VERSION:
        raise ValueError(
            f"{path}: format_version {version!r}, this handvit reads {FORMAT_VERSION};"
            " predict again, or use the handvit that wrote the file"
        )
    known = {f.name for f in fields(PredictionHeader)}
    if values.keys() != known:
        raise ValueError(f"{path}: header holds {sorted(values)}, want {sorted(known)}")
    header = PredictionHeader(**values)
    if (header.units, header.frame) != (UNITS, FRAME):
        raise ValueError(
            f"{path}: units {header.units!r} and frame {header.frame!r}, want {UNITS!r} and"
            f" {FRAME!r}"
        )
    return header


def _check_columns(path: str | Path, arrays: dict[str, np.ndarray]) -> None:
    if arrays.keys() != _COLUMNS.keys():
        missing, unknown = _COLUMNS.keys() - arrays.keys(), arrays.keys() - _COLUMNS.keys()
        raise ValueError(
            f"{path}: missing columns {sorted(missing)}, unknown columns {sorted(unknown)}"
        )
    num_hands = len(np.atleast_1d(arrays["sample_id"]))
    for name, shape in _COLUMNS.items():
        if arrays[name].shape != (num_hands, *shape):
            raise ValueError(
                f"{path}: {name} has shape {arrays[name].shape}, want {(num_hands, *shape)}"
            )
    sample_ids, counts = np.unique(arrays["sample_id"], return_counts=True)
    if (counts > 1).any():
        raise ValueError(
            f"{path}: sample_id {str(sample_ids[counts > 1][0])!r} occurs {counts.max()} times"
        )


def _narrow(name: str, array: np.ndarray) -> np.ndarray:
    is_float = np.issubdtype(array.dtype, np.floating)
    return array.astype(np.float32) if is_float and name != "frame_time" else array


def _widen(array: np.ndarray) -> np.ndarray:
    return array.astype(np.float64) if np.issubdtype(array.dtype, np.floating) else array
