"""Write data sets: plain WebDataset tars with an index beside each.

What a shard holds follows from its number alone, so any number of processes can write different
shards of one data set, and a run that was stopped goes on with the shards not yet finished.
"""

import io
import tarfile
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from types import TracebackType

from handvit.atomic_file import atomic_file
from handvit.datasets.shards.dataset_index import DatasetIndex
from handvit.datasets.shards.dataset_info import DatasetInfo, ShardEntry
from handvit.datasets.shards.image_codec import image_extension
from handvit.datasets.shards.index_builder import IndexBuilder
from handvit.datasets.shards.record_codec import encode_record
from handvit.datasets.shards.shard_index import ShardError, ShardIndex, index_path
from handvit.structures import HandSample

MAX_SAMPLES = 10_000
MAX_BYTES = 2**30


def shard_path(root: Path | str, number: int) -> Path:
    """Name the tar of a shard."""
    return Path(root) / f"shard-{number:06d}.tar"


def is_finished(root: Path | str, number: int) -> bool:
    """Tell whether a shard was written to its end: its index is the last thing to appear."""
    return index_path(shard_path(root, number)).is_file()


def write_shard(root: Path | str, number: int, samples: Iterable[HandSample]) -> None:
    """Write one whole shard; the form for several processes, followed by one ``finalize``."""
    with _OpenShard(root, number) as shard:
        for sample in samples:
            shard.add(sample)
        if not len(shard):
            raise ValueError(f"{shard.path}: no samples to write")


def finalize(root: Path | str, info: DatasetInfo, *, num_shards: int | None = None) -> DatasetInfo:
    """Merge the indexes of all finished shards in a folder, then write ``dataset.json``.

    Args:
        num_shards: how many shards there must be, where that is known.

    Raises:
        ValueError: no shard, another number of them, or labels that ``info`` does not account for.
        ShardError: a shard has no index, or one of another tar.

    Returns:
        what ``dataset.json`` says.
    """
    tars = sorted(Path(root).glob("*.tar"))
    if not tars or (num_shards is not None and len(tars) != num_shards):
        raise ValueError(f"{root}: holds {len(tars)} shards, want {num_shards or 'at least one'}")
    entries, indexes = [], []
    for tar in tars:
        index = ShardIndex.load_checked(tar)
        if info.hand_model is None and index.rows["mano_valid"].any():
            raise ValueError(f"{tar}: holds MANO parameters; say in hand_model what they belong to")
        entries.append(ShardEntry(tar.name, len(index.rows), index.tar_bytes))
        indexes.append(index)
    DatasetIndex.merge(entries, indexes).save(Path(root))
    info = replace(info, shards=tuple(entries))
    info.save(root)
    return info


class ShardWriter:
    """Write samples one after the other, shard by shard, then ``dataset.json``.

    Use as a context manager. If the block ends with an exception the shard in work disappears and
    the data set stays unfinished.

    Args:
        info: written over all shards at the end; ``None`` where several writers fill one folder
            and ``finalize`` follows.
        first_shard: number of the first shard, so that several writers do not meet.
        max_samples: samples in a shard.
        max_bytes: encoded bytes in a shard.
    """

    def __init__(
        self,
        root: Path | str,
        *,
        info: DatasetInfo | None,
        first_shard: int = 0,
        max_samples: int = MAX_SAMPLES,
        max_bytes: int = MAX_BYTES,
    ) -> None:
        self.root = Path(root)
        self.info = info
        self.max_samples = max_samples
        self.max_bytes = max_bytes
        self._number = first_shard
        self._stack = ExitStack()
        self._shard: _OpenShard | None = None

    def __enter__(self) -> "ShardWriter":
        return self

    def add(self, sample: HandSample) -> None:
        """Append a sample; it is validated first."""
        if self._shard is not None and self._is_full(len(sample.image)):
            self._stack.close()
            self._shard = None
        if self._shard is None:
            self._shard = self._stack.enter_context(_OpenShard(self.root, self._number))
            self._number += 1
        self._shard.add(sample)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stack.__exit__(kind, error, trace)
        if kind is None and self.info is not None:
            self.info = finalize(self.root, self.info)

    def _is_full(self, num_bytes: int) -> bool:
        shard = self._shard
        return len(shard) >= self.max_samples or shard.num_bytes + num_bytes > self.max_bytes


class _OpenShard:
    """Hold one shard in work: a temporary tar that gets its name, then its index, at the end."""

    def __init__(self, root: Path | str, number: int) -> None:
        self.number = number
        self.path = shard_path(root, number)
        self._index = IndexBuilder()
        self._stack = ExitStack()

    def __len__(self) -> int:
        return len(self._index)

    @property
    def num_bytes(self) -> int:
        return self._tar.offset

    def __enter__(self) -> "_OpenShard":
        if is_finished(self.path.parent, self.number):
            raise ShardError(
                f"{self.path}: exists; choose another folder or delete the old data set"
            )
        self.path.parent.mkdir(parents=True, exist_ok=True)
        file = self._stack.enter_context(atomic_file(self.path))
        self._tar = self._stack.enter_context(
            tarfile.open(fileobj=file, mode="w", format=tarfile.USTAR_FORMAT)
        )
        return self

    def add(self, sample: HandSample) -> None:
        key = f"{self.number:06d}{len(self):06d}"
        try:
            extension = image_extension(sample.validate().image)
            record = encode_record(sample)
        except (AttributeError, TypeError, ValueError) as error:
            raise ValueError(f"sample {sample.sample_id!r}: {error}") from error
        image_at = self._add_member(f"{key}.{extension}", sample.image)
        record_at = self._add_member(f"{key}.json", record)
        self._index.add(sample, record, image_at=image_at, record_at=record_at)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stack.__exit__(kind, error, trace)
        if kind is None:
            self._index.save(self.path)

    def _add_member(self, name: str, content: bytes) -> int:
        """Append a member without any trace of when and by whom; return where it begins."""
        member = tarfile.TarInfo(name)
        member.size = len(content)
        self._tar.addfile(member, io.BytesIO(content))
        return self._tar.offset - _padded(len(content))


def _padded(size: int) -> int:
    return -(-size // tarfile.BLOCKSIZE) * tarfile.BLOCKSIZE
