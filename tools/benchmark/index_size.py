"""Measure what opening a large data set costs: ``index_size.py 10000000 [--json FILE]``.

Writes the index of that many frames (no images) to a temporary folder, and looks up clips in it.
"""

import argparse
import json
import multiprocessing
import os
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from multiprocessing.queues import SimpleQueue
from pathlib import Path

import numpy as np

from handvit.datasets import DatasetInfo, HandClipDataset
from handvit.datasets.clip_index import ClipIndex
from handvit.datasets.shards.dataset_index import DatasetIndex
from handvit.datasets.shards.dataset_info import ShardEntry
from handvit.datasets.shards.shard_index import INDEX_DTYPE, labels_path
from handvit.engine.process_memory import shared_out_memory

INFO = DatasetInfo(
    name="benchmark", split="train", source="no images", license="CC0-1.0", hand_model="mano"
)
TRACK_LENGTH = 40  # frames
FRAMES_PER_SHARD = 10_000
NUM_LOOK_UPS = 1000  # by each process


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("num_frames", type=int, help="of the data set")
    cores = len(os.sched_getaffinity(0))
    parser.add_argument("--num-workers", type=int, default=cores, help="processes that look up")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the numbers there")
    args = parser.parse_args(arguments)
    if args.num_frames < 1:
        parser.error(f"num_frames: {args.num_frames} must be 1 or more")

    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "large"
        write_index(root, args.num_frames)
        report = measure_index(root, args.num_workers)
    for name, value in report.items():
        print(f"{name:24} {value:.4g}")
    if args.json:
        args.json.write_text(json.dumps(report, indent=2) + "\n")


def write_index(root: Path, num_frames: int) -> None:
    """Write the index of a data set of many frames, with empty files for its shards."""
    root.mkdir()
    starts = range(0, num_frames, FRAMES_PER_SHARD)
    sizes = [min(FRAMES_PER_SHARD, num_frames - start) for start in starts]
    shards = [ShardEntry(f"shard-{n:06d}.tar", size, 10240) for n, size in enumerate(sizes)]
    for shard in shards:
        (root / shard.file).write_bytes(bytes(shard.num_bytes))
        labels_path(root / shard.file).touch()
    columns = {name: np.zeros(num_frames, INDEX_DTYPE[name]) for name in INDEX_DTYPE.names}
    columns["track"], frame = np.divmod(np.arange(num_frames, dtype=np.int32), TRACK_LENGTH)
    columns["frame_time"] = frame / 30
    columns["shard"] = np.arange(num_frames, dtype=np.int32) // FRAMES_PER_SHARD
    tracks = range(-(-num_frames // TRACK_LENGTH))
    columns["track_names"] = np.array(
        [f"large/{track:08d}/cam0/right".encode() for track in tracks]
    )
    DatasetIndex.of_columns(shards, columns).save(root)
    replace(INFO, shards=tuple(shards)).save(root)


def measure_index(root: Path, num_workers: int) -> dict[str, float]:
    """Return the time to open a data set and the memory of a node that looks up clips in it."""
    queue = multiprocessing.get_context("spawn").SimpleQueue()
    process = multiprocessing.get_context("spawn").Process(
        target=_open_and_look_up, args=(root, num_workers, queue)
    )
    process.start()
    report = queue.get()
    process.join()
    return report


def _open_and_look_up(root: Path, num_workers: int, queue: SimpleQueue) -> None:
    before = shared_out_memory(os.getpid())
    start = time.perf_counter()
    dataset = HandClipDataset(root, clip_length=7)
    seconds = time.perf_counter() - start
    opened = shared_out_memory(os.getpid())
    with multiprocessing.get_context("fork").Pool(num_workers, _keep_dataset, (dataset,)) as pool:
        workers = [child.pid for child in multiprocessing.active_children()]
        pool.map(_look_up, range(num_workers), chunksize=1)
        processes = [os.getpid(), *workers]
        looked_up = sum(shared_out_memory(pid) for pid in processes)
    queue.put(
        {
            "index_frames": len(dataset),
            "index_open_s": seconds,
            "index_open_mb": opened - before,
            "index_node_mb": looked_up - before,
        }
    )


class _Process:
    """Hold what a process keeps from one task to the next."""

    dataset: HandClipDataset


def _keep_dataset(dataset: HandClipDataset) -> None:
    _Process.dataset = dataset


def _look_up(seed: int) -> None:
    dataset = _Process.dataset
    clips = ClipIndex(dataset.reader.index, max_frame_gap=0.5)
    for row in np.random.default_rng(seed).integers(len(dataset), size=NUM_LOOK_UPS):
        clips.clip(int(row), 7, 1)


if __name__ == "__main__":
    main()
