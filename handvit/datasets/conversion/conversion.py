"""Carry out a converter: shard by shard, with any number of processes or cluster jobs.

What a shard holds follows from its number alone. A shard's report is the last of its files, so a
conversion that was killed goes on with the shards that have none; the process that completes the
last shard writes ``manifest.json`` and ``dataset.json``.
"""

import hashlib
import json
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice, pairwise
from pathlib import Path
from typing import Any

import numpy as np

from handvit.atomic_file import atomic_file
from handvit.datasets.conversion.converter import Converter, Rejection, Unit
from handvit.datasets.conversion.shard_report import ShardReport, report_path
from handvit.datasets.shards.dataset_info import DatasetInfo
from handvit.datasets.shards.folder_claim import claim_folder
from handvit.datasets.shards.shard_index import index_path, labels_path
from handvit.datasets.shards.shard_pool import Report, check_num_workers, one_thread, write_shards
from handvit.datasets.shards.shard_writer import finalize, shard_path, write_shard
from handvit.structures import HandSample

CLAIM_FILE = "conversion.json"
MANIFEST_FILE = "manifest.json"
FRAMES_PER_SHARD = 5000
_NUM_PROBED = 16  # samples that the disk check looks at
_LABEL_BYTES = 6000  # of a sample in all files: record, labels, index, headers


@dataclass(frozen=True, kw_only=True)
class Part:
    """Say which part of a data set a process converts.

    Args:
        num_shards: shards of the whole data set; ``None`` for one per 5000 frames.
        shard_index: the only shard to write, as in a job of a cluster's array; ``None`` for all.
        resume: go on with a folder in which such shards are finished already.
    """

    num_shards: int | None = None
    shard_index: int | None = None
    resume: bool = False


def convert(
    converter: Converter, root: Path, part: Part, *, num_workers: int, report: Report
) -> DatasetInfo | None:
    """Write a data set, or a part of it.

    Args:
        report: called with numbers of raw frames that are done; first with those done before.

    Returns:
        What ``dataset.json`` says, or ``None`` while shards of other jobs are missing.

    Raises:
        ValueError: the folder holds another data set or finished shards, the disk is too full, or
            nothing could be converted.
    """
    check_num_workers(num_workers)
    units = converter.units()
    shards = plan_shards(units, part.num_shards)
    wanted = _wanted(part.shard_index, len(shards))
    claim_folder(root, CLAIM_FILE, _settings(converter, units, len(shards)))
    done = [number for number in wanted if report_path(root, number).is_file()]
    if done and not part.resume:
        raise ValueError(
            f"{report_path(root, done[0])}: the shard is finished already; add --resume to keep"
            f" what is there ({len(done)} of {len(wanted)} shards), or choose another folder"
        )
    todo = [number for number in wanted if number not in done]
    if todo:
        _check_space(root, converter, [unit for number in todo for unit in shards[number]])
    report(sum(_num_frames(shards[number]) for number in done))

    def write(number: int, report: Report) -> None:
        _write_shard(root, number, converter, shards[number], report)

    write_shards(todo, write, num_workers=num_workers, report=report)
    if all(report_path(root, number).is_file() for number in range(len(shards))):
        return _complete(root, converter.info, len(shards))
    return None


def plan_shards(units: Sequence[Unit], num_shards: int | None) -> list[list[Unit]]:
    """Divide units among shards of about equal numbers of frames, keeping their order.

    Raises:
        ValueError: there are no units, twice the same, or fewer than shards.
    """
    names = {unit.name for unit in units}
    if not units or len(names) < len(units):
        raise ValueError(f"{len(units)} units with {len(names)} names: nothing to convert")
    ends = np.cumsum([unit.num_frames for unit in units])
    if not ends[-1]:
        raise ValueError(f"none of {len(units)} stretches has a frame: nothing to convert")
    count = num_shards
    if count is None:
        count = min(len(units), -(-int(ends[-1]) // FRAMES_PER_SHARD))
    if not 1 <= count <= len(units):
        raise ValueError(f"--num-shards {num_shards}: must be in [1, {len(units)}], the stretches")
    # A unit goes where its middle lies; then no shard may be left without one.
    middles = ends - np.array([unit.num_frames for unit in units]) / 2
    place = np.minimum((middles * count / ends[-1]).astype(int), count - 1)
    for i in range(len(units)):
        lowest = max(count - (len(units) - i), 0)
        highest = 0 if i == 0 else place[i - 1] + 1
        place[i] = min(max(place[i], lowest), highest)
    edges = np.searchsorted(place, np.arange(count + 1)).tolist()
    return [list(units[start:end]) for start, end in pairwise(edges)]


def _wanted(shard_index: int | None, num_shards: int) -> list[int]:
    if shard_index is None:
        return list(range(num_shards))
    if not 0 <= shard_index < num_shards:
        raise ValueError(f"--shard-index {shard_index}: must be in [0, {num_shards - 1}]")
    return [shard_index]


def _settings(converter: Converter, units: Sequence[Unit], num_shards: int) -> dict[str, Any]:
    """Return what two runs must share to fill one folder."""
    info = converter.info
    return {
        "converter": type(converter).__name__,
        "name": info.name,
        "split": info.split,
        "source": info.source,
        "hand_model": info.hand_model,
        "view": repr(converter.view),
        "num_shards": num_shards,
        "units": hashlib.sha256(json.dumps(units).encode()).hexdigest(),
    }


def _check_space(root: Path, converter: Converter, units: Sequence[Unit]) -> None:
    """Refuse to begin what the disk cannot hold, judged by the first samples."""
    items = chain.from_iterable(converter.samples(unit) for unit in units[:_NUM_PROBED])
    samples = (item for item in items if isinstance(item, HandSample))
    with one_thread():
        first = list(islice(samples, _NUM_PROBED))
    num_probed = len({sample.sample_id.rpartition("/")[0] for sample in first})  # frames
    num_bytes = sum(len(sample.image) + _LABEL_BYTES for sample in first)
    needed = num_bytes / max(num_probed, 1) * _num_frames(units)
    free = shutil.disk_usage(root).free
    if needed > free:
        raise ValueError(
            f"{root}: about {needed / 1e9:.3g} GB are needed and {free / 1e9:.3g} GB are free;"
            " choose another disk, a smaller --image-size, or convert one --shard-index at a time"
        )


def _num_frames(units: Sequence[Unit]) -> int:
    return sum(unit.num_frames for unit in units)


def _write_shard(
    root: Path, number: int, converter: Converter, units: Sequence[Unit], report: Report
) -> None:
    # Without its report a finished tar does not count: its digest is not known.
    tar = shard_path(root, number)
    for path in (index_path(tar), labels_path(tar), tar):
        path.unlink(missing_ok=True)
    shard_report = ShardReport()
    samples = shard_report.watch(_items(converter, units, report))
    first = next(samples, None)
    if first is not None:
        write_shard(root, number, chain([first], samples))
    shard_report.num_frames = _num_frames(units)
    shard_report.save(root, number)


def _items(
    converter: Converter, units: Sequence[Unit], report: Report
) -> Iterator[HandSample | Rejection]:
    for unit in units:
        yield from converter.samples(unit)
        report(unit.num_frames)


def _complete(root: Path, info: DatasetInfo, num_shards: int) -> DatasetInfo:
    """Add the reports up and declare the data set complete."""
    reports = [ShardReport.load(root, number) for number in range(num_shards)]
    total = ShardReport()
    for shard_report in reports:
        total.merge(shard_report)
    if not total.num_samples:
        raise ValueError(f"{root}: nothing could be converted: {total.rejected}; {total.examples}")
    settings = json.loads((root / CLAIM_FILE).read_bytes())
    manifest = {"settings": settings, "totals": total.summary()}
    with atomic_file(root / MANIFEST_FILE) as file:
        file.write(json.dumps(manifest, indent=1).encode() + b"\n")
    return finalize(root, info, num_shards=sum(bool(report.num_samples) for report in reports))
