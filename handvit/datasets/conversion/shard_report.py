"""Count what became of the raw frames of a shard, and add the counts of all shards up.

Beside every ``shard-000000.tar`` a converter writes ``shard-000000.report.json``, as the last file
of the shard. ``manifest.json`` in the folder is their sum.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from handvit.atomic_file import atomic_file
from handvit.datasets.conversion.converter import Rejection
from handvit.datasets.shards.shard_writer import shard_path
from handvit.structures import HandSample
from handvit.structures.skeleton import BONES

_NUM_EXAMPLES = 5
_CHUNK = 2**20


@dataclass
class Moments:
    """Sum up numbers so that their mean and spread can be told later."""

    count: int = 0
    total: float = 0.0
    squares: float = 0.0
    low: float | None = None
    high: float | None = None

    def add(self, values: np.ndarray) -> None:
        """Count more numbers, (N,)."""
        if len(values):
            low, high = float(values.min()), float(values.max())
            self.merge(
                Moments(len(values), float(values.sum()), float((values**2).sum()), low, high)
            )

    def merge(self, other: "Moments") -> None:
        """Count what another has counted."""
        self.count += other.count
        self.total += other.total
        self.squares += other.squares
        lows = [value for value in (self.low, other.low) if value is not None]
        highs = [value for value in (self.high, other.high) if value is not None]
        self.low, self.high = min(lows, default=None), max(highs, default=None)

    def summary(self) -> dict[str, float | int | None]:
        """Return count, mean, standard deviation and range."""
        if not self.count:
            return {"count": 0}
        mean = self.total / self.count
        std = max(self.squares / self.count - mean**2, 0.0) ** 0.5
        return {"count": self.count, "mean": mean, "std": std, "min": self.low, "max": self.high}


@dataclass
class ShardReport:
    """Count the frames, hands and rejections of one shard, or of several."""

    num_frames: int = 0
    num_samples: int = 0
    num_right: int = 0
    num_mano: int = 0
    rejected: dict[str, int] = field(default_factory=dict)  # reason -> number
    examples: dict[str, list[str]] = field(default_factory=dict)  # reason -> first places
    root_depth: Moments = field(default_factory=Moments)  # metres
    middle_bones: Moments = field(default_factory=Moments)  # wrist to middle tip, metres
    mano_residual: Moments = field(default_factory=Moments)  # metres
    sha256: dict[str, str] = field(default_factory=dict)  # file name -> digest

    def watch(self, items: Iterable[HandSample | Rejection]) -> Iterator[HandSample]:
        """Pass samples on and count everything."""
        for item in items:
            if isinstance(item, Rejection):
                self._reject(item)
            else:
                self._count(item)
                yield item

    def merge(self, other: "ShardReport") -> None:
        """Count what another shard's report has counted."""
        for name in ("num_frames", "num_samples", "num_right", "num_mano"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        for reason, number in other.rejected.items():
            self.rejected[reason] = self.rejected.get(reason, 0) + number
            known = self.examples.setdefault(reason, [])
            known.extend(other.examples[reason][: _NUM_EXAMPLES - len(known)])
        for name in ("root_depth", "middle_bones", "mano_residual"):
            getattr(self, name).merge(getattr(other, name))
        self.sha256.update(other.sha256)

    def save(self, root: Path, number: int) -> None:
        """Write the report of a shard, with the digest of its tar if it has one."""
        tar = shard_path(root, number)
        if self.num_samples:
            self.sha256[tar.name] = _sha256(tar)
        with atomic_file(report_path(root, number)) as file:
            file.write(json.dumps(asdict(self), indent=1).encode() + b"\n")

    @classmethod
    def load(cls, root: Path, number: int) -> "ShardReport":
        """Read the report of a shard."""
        record: dict[str, Any] = json.loads(report_path(root, number).read_bytes())
        moments = ("root_depth", "middle_bones", "mano_residual")
        return cls(**{**record, **{name: Moments(**record[name]) for name in moments}})

    def summary(self) -> dict[str, Any]:
        """Return what people want to read; lengths in metres."""
        record = asdict(self)
        for name in ("root_depth", "middle_bones", "mano_residual"):
            record[name] = getattr(self, name).summary()
        record["num_left"] = self.num_samples - self.num_right
        return record

    def _reject(self, rejection: Rejection) -> None:
        self.rejected[rejection.reason] = self.rejected.get(rejection.reason, 0) + 1
        examples = self.examples.setdefault(rejection.reason, [])
        if len(examples) < _NUM_EXAMPLES:
            examples.append(rejection.where)

    def _count(self, sample: HandSample) -> None:
        self.num_samples += 1
        self.num_right += bool(sample.is_right)
        self.num_mano += bool(sample.mano_valid)
        if sample.keypoints_cam_valid[0]:
            self.root_depth.add(sample.keypoints_cam[:1, 2])
        middle = np.array(BONES[8:12])  # (4, 2) wrist, 9, 10, 11, 12
        if sample.keypoints_cam_valid[middle].all():
            ends = sample.keypoints_cam[middle]  # (4, 2, 3)
            self.middle_bones.add(
                np.linalg.norm(ends[:, 1] - ends[:, 0], axis=-1).sum(keepdims=True)
            )
        if sample.mano_residual is not None:
            self.mano_residual.add(np.array([sample.mano_residual]))


def report_path(root: Path, number: int) -> Path:
    """Name the report of a shard."""
    return shard_path(root, number).with_suffix(".report.json")


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()
