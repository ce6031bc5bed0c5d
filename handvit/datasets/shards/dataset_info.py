"""Describe a data set: what ``dataset.json`` in its folder says.

The file is written last, so its presence means that the data set is complete.
"""

import json
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, NamedTuple

from handvit.atomic_file import atomic_file
from handvit.structures.skeleton import FINGERTIP_VERTICES

FORMAT_VERSION = 1
INFO_FILE = "dataset.json"
HAND_MODELS = ("openhand", "mano")


class ShardEntry(NamedTuple):
    """Name one tar of a data set and say how much it holds."""

    file: str
    num_samples: int
    num_bytes: int


@dataclass(frozen=True, kw_only=True)
class DatasetInfo:
    """Say what a data set is and which shards it is made of.

    Args:
        source: where the data came from and what the converter had to assume.
        hand_model: the model that the MANO parameters belong to, ``None`` where there are none.
        fingertips: key of ``skeleton.FINGERTIP_VERTICES``, ``None`` where the labels do not come
            from a mesh, or its tip vertices are not known.

    Raises:
        ValueError: names the field and the values it may take.
    """

    name: str
    split: str
    source: str
    license: str
    hand_model: str | None = None
    fingertips: str | None = None
    shards: tuple[ShardEntry, ...] = ()
    format_version: int = FORMAT_VERSION

    def __post_init__(self) -> None:
        """Refuse values that no reader would understand."""
        for name in ("name", "split", "source", "license"):
            value = getattr(self, name)
            if not isinstance(value, str) or not value:
                raise ValueError(f"{name}: {value!r} is not a non-empty string")
        _check_choice("hand_model", self.hand_model, (None, *HAND_MODELS))
        _check_choice("fingertips", self.fingertips, (None, *FINGERTIP_VERTICES))
        if self.format_version != FORMAT_VERSION:
            raise ValueError(
                f"format_version: {self.format_version!r}, but this handvit reads"
                f" {FORMAT_VERSION}; install the handvit that wrote the data set"
            )

    @property
    def metainfo(self) -> dict[str, Any]:
        """What a data set of MMEngine says of itself."""
        return {
            "name": self.name,
            "split": self.split,
            "hand_model": self.hand_model,
            "fingertips": self.fingertips,
        }

    @property
    def num_samples(self) -> int:
        """Number of samples in all shards."""
        return sum(shard.num_samples for shard in self.shards)

    def save(self, root: Path | str) -> None:
        """Write ``<root>/dataset.json`` atomically."""
        record = {**asdict(self), "shards": [shard._asdict() for shard in self.shards]}
        with atomic_file(Path(root) / INFO_FILE) as file:
            file.write(json.dumps(record, indent=2).encode() + b"\n")

    @classmethod
    def load(cls, root: Path | str) -> "DatasetInfo":
        """Read ``<root>/dataset.json``.

        Raises:
            ValueError: names the file, the key and the fix.
        """
        path = Path(root) / INFO_FILE
        if not path.is_file():
            raise ValueError(
                f"{path}: not found, so {str(root)!r} is no finished data set; check data_root, or"
                " run the converter that writes it to its end"
            )
        try:
            return cls._from_record(json.loads(path.read_bytes()))
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from error

    @classmethod
    def _from_record(cls, record: Any) -> "DatasetInfo":
        known = {field.name for field in fields(cls)}
        if not isinstance(record, dict) or record.keys() != known:
            raise ValueError(f"must be an object with exactly the keys {sorted(known)}")
        return cls(**{**record, "shards": tuple(_to_entry(shard) for shard in record["shards"])})


def _check_choice(name: str, value: str | None, choices: tuple[str | None, ...]) -> None:
    if value not in choices:
        raise ValueError(f"{name}: {value!r} is not one of {list(choices)}")


def _to_entry(shard: Any) -> ShardEntry:
    if not isinstance(shard, dict) or shard.keys() != set(ShardEntry._fields):
        raise ValueError(f"shards: {shard!r} must have exactly the keys {ShardEntry._fields}")
    return ShardEntry(**shard)
