"""Build the index of a shard, sample by sample or from a finished tar."""

import json
import math
import tarfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from handvit.datasets.image_codec import IMAGE_EXTENSIONS
from handvit.datasets.shard_index import INDEX_DTYPE, ShardError, ShardIndex
from handvit.structures import HandSample
from handvit.structures.skeleton import WRIST

_END_OF_TAR = bytes(2 * tarfile.BLOCKSIZE)


class IndexBuilder:
    """Collect the rows of one shard."""

    def __init__(self) -> None:
        self._rows: list[tuple] = []
        self._tracks: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._rows)

    def add(self, sample: HandSample, *, image: tuple[int, int], record: tuple[int, int]) -> None:
        """Note a sample and the (offset, size) in bytes of its image and of its record."""
        width, height = sample.bbox_xyxy[2:] - sample.bbox_xyxy[:2]
        self._rows.append(
            (
                *image,
                *record,
                self._tracks.setdefault(sample.track, len(self._tracks)),
                sample.frame_time,
                sample.is_right,
                sample.camera_valid,
                sample.mano_valid,
                int(sample.keypoints_cam_valid.sum()),
                int(sample.keypoints_img_valid.sum()),
                _root_depth(sample),
                math.nan if sample.mano_residual is None else sample.mano_residual,
                math.sqrt(width * height),
                math.sqrt(math.prod(sample.focal)),
            )
        )

    def build(self, tar_bytes: int) -> ShardIndex:
        """Return the index of a tar that is complete at ``tar_bytes``."""
        names = np.array([name.encode() for name in self._tracks], dtype=np.bytes_)
        return ShardIndex.of_shard(np.array(self._rows, INDEX_DTYPE), names, tar_bytes)


def build_index(tar: Path) -> ShardIndex:
    """Read a tar from its start to its end and return its index.

    Raises:
        ShardError: names the tar, and the key where one sample is at fault.
    """
    builder = IndexBuilder()
    try:
        with tarfile.open(tar, "r:") as archive:
            for key, members in _grouped(archive):
                _add_members(builder, archive, f"{tar}: key {key}", members)
    except (tarfile.TarError, EOFError) as error:
        raise ShardError(f"{tar}: truncated or no tar ({error}); copy or write it again") from error
    _check_end(tar)
    if not len(builder):
        raise ShardError(f"{tar}: holds no samples; delete it")
    return builder.build(tar.stat().st_size)


def write_index(tar: Path) -> None:
    """Build the index of a tar and write it beside the tar."""
    build_index(tar).save(tar)


def _grouped(archive: tarfile.TarFile) -> Iterator[tuple[str, dict[str, tarfile.TarInfo]]]:
    """Yield each WebDataset key with its members by extension."""
    current, members = None, {}
    for member in archive:
        if not member.isfile():
            continue
        folder, _, name = member.name.rpartition("/")
        stem, _, extension = name.partition(".")
        key = f"{folder}/{stem}" if folder else stem
        if key != current and members:
            yield current, members
            members = {}
        current = key
        members[extension.lower()] = member
    if members:
        yield current, members


def _add_members(
    builder: IndexBuilder,
    archive: tarfile.TarFile,
    where: str,
    members: dict[str, tarfile.TarInfo],
) -> None:
    images = [members[extension] for extension in IMAGE_EXTENSIONS if extension in members]
    if len(images) != 1 or "json" not in members:
        raise ShardError(
            f"{where}: has members {sorted(members)}, wants one .json and one image of"
            f" {IMAGE_EXTENSIONS}; write the shard again"
        )
    image, record = images[0], members["json"]
    try:
        sample = HandSample.from_record(json.loads(archive.extractfile(record).read()), b"")
    except (AttributeError, TypeError, ValueError) as error:
        raise ShardError(f"{where}: {error}; write the shard again") from error
    builder.add(
        sample,
        image=(image.offset_data, image.size),
        record=(record.offset_data, record.size),
    )


def _check_end(tar: Path) -> None:
    """Refuse a tar cut between two members, which tarfile reads without complaint."""
    with tar.open("rb") as file:
        file.seek(-min(len(_END_OF_TAR), tar.stat().st_size), 2)
        if file.read() != _END_OF_TAR:
            raise ShardError(f"{tar}: truncated, no end-of-archive mark; copy or write it again")


def _root_depth(sample: HandSample) -> float:
    if sample.keypoints_cam_valid[WRIST]:
        return float(sample.keypoints_cam[WRIST, 2])
    return float(sample.mano_root_cam[2]) if sample.mano_valid else math.nan
