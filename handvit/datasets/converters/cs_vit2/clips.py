"""Read the clips in the WebDataset tars of CS-ViT2: one hand over T frames each, images included.

Every member of a clip is decoded on demand, since planning needs a few of them and the images are
nearly all of the bytes. Arrays and pickles are read without executing anything.
"""

import io
import json
import tarfile
import tokenize
from collections.abc import Iterator
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from handvit.datasets.converters.plain_pickle import load_plain_pickle
from handvit.structures.skeleton import NUM_KEYPOINTS

#: Arrays of a clip with their shapes behind the frame axis, in that system's units.
ARRAYS = MappingProxyType(
    {
        "hand_bbox": (4,),  # x0, y0, x1, y1 px
        "joint_img": (NUM_KEYPOINTS, 2),  # px
        "joint_cam": (NUM_KEYPOINTS, 3),  # mm
        "joint_2d_valid": (NUM_KEYPOINTS,),
        "joint_3d_valid": (NUM_KEYPOINTS,),
        "mano_pose": (48,),  # axis-angle: global_orient, then the 15 joints
        "mano_shape": (10,),
        "has_mano": (),
        "has_intr": (),
        "timestamp": (),
        "focal": (2,),  # px
        "princpt": (2,),  # px
    }
)
_REQUIRED = (
    "imgs_path.json", "img_bytes.pickle", "handedness.json", *(f"{name}.npy" for name in ARRAYS),
)  # fmt: skip
_FIX = "copy the tar again, or write it with the exporter's version 2"
_END_OF_TAR = bytes(tarfile.BLOCKSIZE)
#: What NumPy raises on damaged arrays.
_BAD_ARRAY = (ValueError, KeyError, TypeError, SyntaxError, tokenize.TokenError, MemoryError)


class Clip:
    """Decode the members of one clip.

    Args:
        archive: the tar, or a piece of it.
        name: of the tar, for messages.
        members: where the members lie in ``archive``, by what follows the key in their names.

    Raises:
        ValueError: a member is missing, here; or is not what it should be, when it is asked for.
    """

    def __init__(
        self, archive: tarfile.TarFile, name: Path | str, members: dict[str, tarfile.TarInfo]
    ) -> None:
        self._archive = archive
        self._members = members
        first = next(iter(members.values()))
        self.where = f"{name}: clip {_split_name(first.name)[0]}"
        missing = [member for member in _REQUIRED if member not in members]
        if missing:
            raise ValueError(f"{self.where}: member {missing[0]} is missing; {_FIX}")
        self.paths: list[str] = self._json("imgs_path.json")
        if not isinstance(self.paths, list) or not self.paths:
            raise ValueError(f"{self.where}: imgs_path.json is no list of one path a frame")
        if not all(isinstance(path, str) for path in self.paths):
            raise ValueError(f"{self.where}: imgs_path.json holds something else than paths")
        side = self._json("handedness.json")
        if side not in ("left", "right"):
            raise ValueError(f"{self.where}: handedness.json says {side!r}, want 'left' or 'right'")
        self.is_right = side == "right"

    def __len__(self) -> int:
        """Count the frames."""
        return len(self.paths)

    @property
    def source(self) -> str:
        """Name of the data set that the clip came from, empty where the tars do not say it."""
        return str(self._json("data_source.json")) if "data_source.json" in self._members else ""

    @property
    def has_real_camera(self) -> bool:
        """Whether intrinsics, where there are any, were measured: version 2 marks invented ones."""
        member = "intr_type.json"
        return member not in self._members or self._json(member) == "real"

    def array(self, name: str) -> np.ndarray:
        """Return one of ``ARRAYS``, (T, ...) float64."""
        content = io.BytesIO(self._read(f"{name}.npy"))
        try:
            values = np.lib.format.read_array(content, allow_pickle=False)
        except _BAD_ARRAY as error:
            raise ValueError(f"{self.where}: {name}.npy is not readable ({error})") from error
        shape = (len(self), *ARRAYS[name])
        if values.shape != shape or values.dtype.kind not in "biuf":
            raise ValueError(
                f"{self.where}: {name}.npy holds {values.dtype} of shape {values.shape}, want"
                f" numbers of shape {shape}"
            )
        return values.astype(np.float64)

    def images(self) -> list[bytes]:
        """Return the T encoded images."""
        member = "img_bytes.pickle"
        images = load_plain_pickle(self._read(member), where=f"{self.where}: {member}")
        if not isinstance(images, list) or len(images) != len(self):
            raise ValueError(f"{self.where}: {member} is no list of {len(self)} images")
        # Older tars hold the buffers that OpenCV's encoder returns.
        encoded = [x.tobytes() if isinstance(x, np.ndarray) else x for x in images]
        if not all(isinstance(image, bytes) for image in encoded):
            raise ValueError(f"{self.where}: {member} holds something else than encoded images")
        return encoded

    def _json(self, member: str) -> Any:
        try:
            return json.loads(self._read(member))
        except ValueError as error:
            raise ValueError(f"{self.where}: {member} is not readable ({error})") from error

    def _read(self, member: str) -> bytes:
        try:
            return self._archive.extractfile(self._members[member]).read()
        except tarfile.TarError as error:
            raise ValueError(f"{self.where}: {member} is cut ({error}); {_FIX}") from error


def clips_of(tar: Path) -> Iterator[tuple[int, int, Clip]]:
    """Yield the clips of a tar with the bytes at which they start and stop, in their order.

    A clip can be decoded until the next one is asked for; ``open_clip`` finds it again.

    Raises:
        ValueError: the tar is cut or no tar, or a clip lacks a member.
    """
    try:
        with tarfile.open(tar, "r:") as archive:
            for start, stop, members in _grouped(archive):
                yield start, stop, Clip(archive, tar, members)
    except (tarfile.TarError, EOFError) as error:
        raise ValueError(f"{tar}: cut or no tar ({error}); copy it again") from error
    with tar.open("rb") as file:
        file.seek(-len(_END_OF_TAR), io.SEEK_END)
        if file.read() != _END_OF_TAR:
            raise ValueError(f"{tar}: has no end mark, so it is cut; copy it again")


def open_clip(tar: Path, start: int, stop: int) -> Clip:
    """Read a clip that ``clips_of`` has found.

    Raises:
        ValueError: the tar has changed.
    """
    try:
        with tar.open("rb") as file:
            file.seek(start)
            piece = io.BytesIO(file.read(stop - start))
        archive = tarfile.open(fileobj=piece, mode="r:")  # noqa: SIM115 - its file is in memory
        ((_, _, members),) = _grouped(archive)
    except (OSError, tarfile.TarError, ValueError) as error:
        raise ValueError(f"{tar}: has changed at byte {start} ({error})") from error
    return Clip(archive, tar, members)


def _grouped(
    archive: tarfile.TarFile,
) -> Iterator[tuple[int, int, dict[str, tarfile.TarInfo]]]:
    """Yield where each clip starts and stops, and its members by what follows the key."""
    start, key, members = 0, None, {}
    while (member := archive.next()) is not None:
        archive.members.clear()  # tarfile would keep them all
        if not member.isfile():
            continue
        member_key, name = _split_name(member.name)
        if member_key != key and members:
            yield start, member.offset, members
            start, members = member.offset, {}
        key = member_key
        members[name] = member
    if members:
        yield start, archive.offset, members


def _split_name(name: str) -> tuple[str, str]:
    """Return WebDataset's key, up to the first dot of the file's name, and the rest."""
    folder, slash, file = name.rpartition("/")
    stem, _, rest = file.partition(".")
    return f"{folder}{slash}{stem}", rest
