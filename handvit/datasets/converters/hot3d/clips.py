"""Find the clips of HOT3D-Clips and read the files inside them."""

import json
import tarfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

#: The cameras of each device. 214-1 is in colour, the others are grey.
STREAMS = {"Aria": ("214-1", "1201-1", "1201-2"), "Quest3": ("1201-1", "1201-2")}
SPLIT = "train"  # the labels of test_bop, test_ht_pose and test_ht_shape are not public
WHERE = "get HOT3D-Clips from the folder hot3d of huggingface.co/datasets/bop-benchmark/datasets"
_T = TypeVar("_T")
_DEFINITIONS, _SPLITS_FILE = "clip_definitions.json", "clip_splits.json"


class Clip(NamedTuple):
    """Name five seconds of one recording."""

    path: Path
    device: str
    recording: str  # <participant>_<hash>
    num_frames: int

    @property
    def participant(self) -> str:
        """Who wore the device, such as P0001."""
        return self.recording.split("_")[0]


class ClipArchive:
    """Read single files of a clip's tar without unpacking it.

    ``webdataset`` would drop ``__hand_shapes.json__``: it takes names with underscores for its own.

    Raises:
        ValueError: the tar is damaged or cut off; names it.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self._members = _members(path)
        except tarfile.TarError as error:
            raise ValueError(f"{path}: not a complete tar ({error}); download it again") from error
        self._file = path.open("rb")

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def read(self, name: str) -> bytes:
        """Return the content of a file.

        Raises:
            FileNotFoundError: there is no such file in the clip.
        """
        if name not in self._members:
            raise FileNotFoundError(f"{self.where(name)}: no such file in the clip")
        member = self._members[name]
        self._file.seek(member.offset_data)
        return self._file.read(member.size)

    def parse(self, name: str, read: Callable[[Any], _T]) -> _T:
        """Return what ``read`` makes of the content of a JSON file.

        Raises:
            ValueError: the file is missing, not JSON, or ``read`` raises it; names clip and file.
        """
        try:
            return read(json.loads(self.read(name)))
        except FileNotFoundError as error:
            raise ValueError(str(error)) from error
        except ValueError as error:
            raise ValueError(f"{self.where(name)}: {error}") from error

    def where(self, name: str) -> str:
        """Name a file in messages."""
        return f"{self._path}/{name}"


def _members(path: Path) -> dict[str, tarfile.TarInfo]:
    """Return the files in a tar; tarfile.TarError where it is damaged or cut off."""
    with tarfile.open(path, "r:") as tar:
        members = {member.name: member for member in tar if member.isfile()}
        # Cut off inside a header, it would look like a shorter one.
        if path.stat().st_size < tar.offset + tarfile.BLOCKSIZE:
            raise tarfile.ReadError("its end is missing")
    return members


def list_clips(source: Path, devices: Sequence[str]) -> list[Clip]:
    """List the training clips, those that are not downloaded too, device by device.

    Raises:
        ValueError: names the file that is missing or wrong, and where to get it.
    """
    if not (source / _DEFINITIONS).is_file():
        _refuse_recordings(source)
    definitions = _load(source / _DEFINITIONS)
    numbers = _load(source / _SPLITS_FILE).get(SPLIT)
    if not isinstance(numbers, dict):
        raise ValueError(f"{source / _SPLITS_FILE}: split {SPLIT!r} is missing; {WHERE}")
    return [
        _clip(source / f"{SPLIT}_{device.lower()}", device, number, definitions)
        for device in devices
        for number in sorted(numbers.get(device, []))
    ]


def _clip(folder: Path, device: str, number: int, definitions: dict[str, Any]) -> Clip:
    path = folder / f"clip-{number:06d}.tar"
    try:
        definition = definitions[str(number)]
        recording, frames = definition["sequence_id"], definition["per_frame_timestamps_ns"]
        return Clip(path, device, recording, len(frames))
    except (KeyError, TypeError) as error:
        raise ValueError(f"{_DEFINITIONS}: clip {number} lacks {error}; {WHERE}") from error


def _refuse_recordings(source: Path) -> None:
    """Refuse the other form that HOT3D is published in, whole recordings in VRS."""
    for pattern in ("metadata.json", "*/metadata.json", "*/*/metadata.json"):
        for path in sorted(source.glob(pattern)):
            if "recording_name" not in (record := _load(path)):
                continue
            problem = f"{path}: a recording of HOT3D's VRS release, not a clip"
            if str(record.get("version", "")).removeprefix("v").split(".")[0] == "1":
                problem += ", and of version 1, whose MANO thumbs are wrong"
            raise ValueError(f"{problem}; {WHERE}")


def _load(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise ValueError(f"{path}: not found; {WHERE}")
    try:
        record = json.loads(path.read_bytes())
    except ValueError as error:
        raise ValueError(f"{path}: not readable JSON ({error}); {WHERE}") from error
    if not isinstance(record, dict):
        raise ValueError(f"{path}: not a JSON object; {WHERE}")
    return record
