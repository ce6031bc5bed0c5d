"""Find samples inside tars without reading the tars.

Beside every ``shard-000000.tar`` lies ``shard-000000.index.npz``: one row a sample with the place
of its image and record in the tar, and the facts that samplers choose by. ``finalize`` merges them
into the ``DatasetIndex`` that training opens.
"""

import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from handvit.atomic_file import atomic_file

INDEX_DTYPE = np.dtype(
    [
        ("image_offset", "<u8"),  # bytes from the start of the tar
        ("image_size", "<u4"),  # bytes
        ("record_offset", "<u8"),
        ("record_size", "<u4"),
        ("checksum", "<u4"),  # CRC-32 of image, record and label, one after the other
        ("track", "<i4"),  # into track_names
        ("frame_time", "<f8"),  # seconds
        ("is_right", "?"),
        ("camera_valid", "?"),
        ("mano_valid", "?"),
        ("num_keypoints_cam", "u1"),  # valid ones
        ("num_keypoints_img", "u1"),
        ("root_depth", "<f4"),  # metres, NaN where the wrist is not annotated
        ("mano_residual", "<f4"),  # metres, NaN where not known
        ("bbox_size", "<f4"),  # sqrt(w * h), px
        ("focal", "<f4"),  # sqrt(fx * fy), px
    ]
)
REBUILD = "rebuild it with `python tools/misc/build_index.py ROOT`"


class ShardError(ValueError):
    """Report files of a data set that are not what they should be, and the fix."""


@dataclass(frozen=True)
class ShardIndex:
    """Hold the rows of one shard."""

    rows: np.ndarray  # (N,) INDEX_DTYPE
    track_names: np.ndarray  # (num_tracks,) UTF-8 bytes, see HandSample.track
    tar_bytes: int  # size of the tar

    def save(self, tar: Path) -> None:
        """Write the index beside its tar, atomically."""
        with atomic_file(index_path(tar)) as file:
            np.savez(file, rows=self.rows, track_names=self.track_names, tar_bytes=[self.tar_bytes])

    @classmethod
    def load(cls, tar: Path) -> "ShardIndex":
        """Read the index beside a tar.

        Raises:
            ShardError: it is missing, broken, or of another version; names the file and the fix.
        """
        path = index_path(tar)
        try:
            with np.load(path, allow_pickle=False) as arrays:
                rows, names, tar_bytes = (arrays[k] for k in ("rows", "track_names", "tar_bytes"))
        except FileNotFoundError as error:
            raise ShardError(f"{path}: index is missing; {REBUILD}") from error
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
            raise ShardError(f"{path}: index is not readable ({error}); {REBUILD}") from error
        if rows.dtype != INDEX_DTYPE or rows.ndim != 1:
            raise ShardError(f"{path}: index was written by another version; {REBUILD}")
        return cls(rows, names, int(tar_bytes[0]))

    @classmethod
    def load_checked(cls, tar: Path) -> "ShardIndex":
        """Read the index beside a tar and see that the two belong together.

        Raises:
            ShardError: they do not; names the tar and the fix.
        """
        index = cls.load(tar)
        rows = index.rows
        if index.tar_bytes != tar.stat().st_size:
            raise ShardError(f"{tar}: its index belongs to another tar; {REBUILD}")
        ends = np.maximum(
            rows["image_offset"] + rows["image_size"], rows["record_offset"] + rows["record_size"]
        )
        if (ends > index.tar_bytes).any() or (rows["track"] >= len(index.track_names)).any():
            raise ShardError(f"{tar}: its index points outside the tar; {REBUILD}")
        return index


def index_path(tar: Path) -> Path:
    """Name the index that belongs to a tar."""
    return tar.with_suffix(".index.npz")


def labels_path(tar: Path) -> Path:
    """Name the ``label_table`` that belongs to a tar."""
    return tar.with_suffix(".labels.npy")
