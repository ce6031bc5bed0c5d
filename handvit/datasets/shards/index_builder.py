"""Build index and labels of a shard, sample by sample or from a finished tar."""

import math
import tarfile
import zlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from handvit.atomic_file import atomic_file
from handvit.datasets.shards.image_codec import IMAGE_EXTENSIONS
from handvit.datasets.shards.label_table import label_table
from handvit.datasets.shards.record_codec import decode_record
from handvit.datasets.shards.shard_index import INDEX_DTYPE, ShardError, ShardIndex, labels_path
from handvit.structures import HandSample
from handvit.structures.skeleton import WRIST

_END_OF_TAR = bytes(2 * tarfile.BLOCKSIZE)


class IndexBuilder:
    """Collect the rows of one shard."""

    def __init__(self) -> None:
        self._rows: list[tuple] = []
        self._samples: list[HandSample] = []  # without their images
        self._tracks: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._rows)

    def add(self, sample: HandSample, record: bytes, *, image_at: int, record_at: int) -> None:
        """Note a sample, its encoded record, and where in the tar image and record begin."""
        self._samples.append(replace(sample, image=b""))
        width, height = sample.bbox_xyxy[2:] - sample.bbox_xyxy[:2]
        self._rows.append(
            (
                image_at,
                len(sample.image),
                record_at,
                len(record),
                zlib.crc32(record, zlib.crc32(sample.image)),  # ``build`` adds the label
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

    def build(self, tar_bytes: int) -> tuple[ShardIndex, np.ndarray]:
        """Return index and ``label_table`` of a tar that is complete at ``tar_bytes``."""
        rows, labels = np.array(self._rows, INDEX_DTYPE), label_table(self._samples)
        rows["checksum"] = [
            zlib.crc32(label, before)
            for label, before in zip(labels, rows["checksum"], strict=True)
        ]
        names = np.array([name.encode() for name in self._tracks], dtype=np.bytes_)
        return ShardIndex(rows, names, tar_bytes), labels

    def save(self, tar: Path) -> None:
        """Write labels and index of a complete tar beside it, the index last."""
        index, labels = self.build(tar.stat().st_size)
        with atomic_file(labels_path(tar)) as file:
            np.save(file, labels)
        index.save(tar)


def scan_tar(tar: Path) -> IndexBuilder:
    """Read a tar from its start to its end and note every sample.

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
    return builder


def write_index(tar: Path) -> None:
    """Build index and labels of a tar and write them beside the tar."""
    scan_tar(tar).save(tar)


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
    image, record = (archive.extractfile(m).read() for m in (images[0], members["json"]))
    try:
        sample = decode_record(record, image)
    except ValueError as error:
        raise ShardError(f"{where}: {error}; write the shard again") from error
    builder.add(
        sample,
        record,
        image_at=images[0].offset_data,
        record_at=members["json"].offset_data,
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
