"""Find samples inside tars without reading the tars.

Beside every ``shard-000000.tar`` lies ``shard-000000.index.npz``: one row a sample with the place
of its image and record in the tar, and the facts that samplers choose by.
"""

import zipfile
from collections.abc import Sequence
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
    """Hold the rows of one shard, or of all shards of a data set one after the other."""

    rows: np.ndarray  # (N,) INDEX_DTYPE
    shard: np.ndarray  # (N,) int32: which tar holds the row
    track_names: np.ndarray  # (num_tracks,) UTF-8 bytes, see HandSample.track
    tar_bytes: np.ndarray  # (num_shards,) int64 size of each tar

    @classmethod
    def of_shard(cls, rows: np.ndarray, track_names: np.ndarray, tar_bytes: int) -> "ShardIndex":
        """Make the index of a single tar."""
        shard = np.zeros(len(rows), np.int32)
        return cls(rows, shard, track_names, np.array([tar_bytes], np.int64))

    @classmethod
    def concatenate(cls, indexes: Sequence["ShardIndex"]) -> "ShardIndex":
        """Join single-shard indexes; a track that spans shards becomes one track."""
        names, track_ids = np.unique(
            np.concatenate([index.track_names for index in indexes]), return_inverse=True
        )
        lengths = [len(index.rows) for index in indexes]
        first_track = np.cumsum([0] + [len(index.track_names) for index in indexes[:-1]])
        rows = np.concatenate([index.rows for index in indexes])
        rows["track"] = track_ids[rows["track"] + np.repeat(first_track, lengths)]
        shard = np.repeat(np.arange(len(indexes), dtype=np.int32), lengths)
        return cls(rows, shard, names, np.concatenate([index.tar_bytes for index in indexes]))

    def save(self, tar: Path) -> None:
        """Write the index of a single shard beside its tar, atomically."""
        with atomic_file(index_path(tar)) as file:
            np.savez(file, rows=self.rows, track_names=self.track_names, tar_bytes=self.tar_bytes)

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
        return cls.of_shard(rows, names, int(tar_bytes[0]))


def index_path(tar: Path) -> Path:
    """Name the index that belongs to a tar."""
    return tar.with_suffix(".index.npz")
