"""Read a data set from front to back, from wherever webdataset can read."""

import json
import re
import tarfile
from collections.abc import Iterator

from webdataset.gopen import gopen
from webdataset.tariterators import tarfile_samples

from handvit.datasets.shards.bad_samples import BadSamples
from handvit.datasets.shards.dataset_info import INFO_FILE, DatasetInfo, ShardEntry
from handvit.datasets.shards.image_codec import IMAGE_EXTENSIONS
from handvit.datasets.shards.record_codec import decode_record
from handvit.datasets.shards.shard_index import ShardError
from handvit.structures import HandSample

_PLACEHOLDER = "{file}"
_SAFE_NAME = re.compile(r"\w[\w.-]*")  # it may become part of a shell command
_READ_ERRORS = (OSError, EOFError, ValueError, tarfile.TarError)


class ShardStream:
    """Give the samples of one shard after the other in the order of the tars.

    ``dataset.json`` is read when the stream is opened, so that a shard which ends too early is
    noticed, whatever the transport says of it. No index is needed.

    Args:
        url: where the files of the data set lie, with ``{file}`` for a file's name: a folder
            (``data/shards/mine/{file}``), a server (``https://host/mine/{file}``), or a command
            that writes the file (``pipe:aws s3 cp s3://bucket/mine/{file} -``), which sets its own
            limits of time.

    Raises:
        ValueError: ``dataset.json`` cannot be read there, or is wrong.
    """

    def __init__(self, url: str) -> None:
        if _PLACEHOLDER not in url:
            raise ValueError(
                f"url: {url!r} has no {_PLACEHOLDER}; write for example data/shards/mine/{{file}}"
            )
        self._url = url
        self.info = self._read_info()

    def describe(self, shard: int, number: int) -> str:
        """Name the shard and the place in it of a sample, for messages."""
        return f"{self._locate(self.info.shards[shard].file)}: sample {number}"

    def samples(self, shard: int, bad: BadSamples) -> Iterator[tuple[int, HandSample]]:
        """Yield each readable sample, its image still encoded, with its number in the shard.

        Args:
            bad: is told, as (shard, number), of what is unreadable or missing.

        Raises:
            ShardError: more is unreadable than ``bad`` allows; names shard, place and reason.
        """
        num_samples, number = self.info.shards[shard].num_samples, 0
        url = self._locate(self.info.shards[shard].file)
        try:
            for record in _records(url, num_samples):
                try:
                    sample = _to_sample(record)
                except ValueError as error:
                    where = f"{url}: key {record['__key__']!r}"
                    bad.add([(shard, number)], ShardError(f"{where}: bad record: {error}"))
                else:
                    yield number, sample
                number += 1
        except _WrongEndError as error:
            lost = range(number, max(num_samples, number + 1))
            bad.add([(shard, place) for place in lost], ShardError(f"{url}: {error}"))

    def _locate(self, file: str) -> str:
        return self._url.replace(_PLACEHOLDER, file)

    def _read_info(self) -> DatasetInfo:
        url = self._locate(INFO_FILE)
        try:
            with gopen(url) as file:
                record = json.loads(file.read())
            shards = tuple(ShardEntry(**shard) for shard in record["shards"])
            info = DatasetInfo(**{**record, "shards": shards})
        except (OSError, KeyError, TypeError, ValueError) as error:
            raise ValueError(f"{url}: no readable {INFO_FILE} ({error}); check the url") from error
        if not shards:
            raise ValueError(f"{url}: lists no shards")
        for shard in shards:
            if not _SAFE_NAME.fullmatch(shard.file):
                raise ValueError(f"{url}: shard name {shard.file!r} is not a plain file name")
        return info


class _WrongEndError(Exception):
    """Say that a shard has another end than ``dataset.json`` states."""


def _records(url: str, num_samples: int) -> Iterator[dict[str, bytes]]:
    """Yield the members of each key, and raise unless there are exactly ``num_samples`` of them."""
    count = 0
    try:
        for record in tarfile_samples(iter([{"url": url}])):
            if count == num_samples:
                raise _WrongEndError(f"holds more than the {count} samples of {INFO_FILE}")
            yield record
            count += 1
    except _READ_ERRORS as error:
        # webdataset appends what it was reading to the arguments.
        reason = getattr(error, "strerror", None) or str(error.args[0])
        message = f"not readable after {count} of {num_samples} samples ({reason})"
        raise _WrongEndError(message) from error
    if count < num_samples:
        raise _WrongEndError(f"truncated, it ends after {count} of {num_samples} samples")


def _to_sample(record: dict[str, bytes]) -> HandSample:
    """Validate what webdataset read of one key."""
    images = [record[extension] for extension in IMAGE_EXTENSIONS if extension in record]
    if len(images) != 1 or "json" not in record:
        names = sorted(name for name in record if not name.startswith("__"))
        raise ValueError(f"members {names}, wants one .json and one image of {IMAGE_EXTENSIONS}")
    return decode_record(record["json"], images[0])
