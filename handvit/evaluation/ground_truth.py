"""Hold the annotation that predictions are measured against, one row a hand."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

_RECORD_FIELDS = (
    "sample_id",
    "frame_time",
    "is_right",
    "bbox_xyxy",
    "focal",
    "princpt",
    "camera_valid",
    "keypoints_cam",
    "keypoints_cam_valid",
)


@dataclass(frozen=True)
class GroundTruth:
    """State where N hands are, in the stored image's camera; left hands are left hands."""

    sample_id: np.ndarray  # (N,) str
    frame_time: np.ndarray  # (N,) float64 seconds
    is_right: np.ndarray  # (N,) bool
    bbox_xyxy: np.ndarray  # (N, 4) px
    focal: np.ndarray  # (N, 2) px
    princpt: np.ndarray  # (N, 2) px
    camera_valid: np.ndarray  # (N,) bool
    keypoints_cam: np.ndarray  # (N, 21, 3) float64 metres
    keypoints_cam_valid: np.ndarray  # (N, 21) bool

    def __len__(self) -> int:
        return len(self.sample_id)

    def select(self, rows: np.ndarray) -> "GroundTruth":
        """Keep the given rows (numbers or a mask), in the given order."""
        return GroundTruth(*(getattr(self, f.name)[rows] for f in fields(self)))

    @classmethod
    def from_records(cls, records: Iterable[Mapping[str, Any]]) -> "GroundTruth":
        """Stack the label records of a shard (``HandSample.to_record``)."""
        return cls(**stack_records(records, _RECORD_FIELDS))


def stack_records(
    records: Iterable[Mapping[str, Any]], names: Sequence[str]
) -> dict[str, np.ndarray]:
    """Turn the named fields of N label records into arrays of N rows."""
    columns = {name: [] for name in names}
    for record in records:
        for name, column in columns.items():
            column.append(np.asarray(record[name]))
    return {name: np.array(column) for name, column in columns.items()}
