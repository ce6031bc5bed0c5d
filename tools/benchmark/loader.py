"""Compare the data loader with bare image decoding: ``loader.py [DATA_ROOT] [--json FILE]``.

Both use one process a core on the same images, taking turns, since other programs may use the same
machine. Without DATA_ROOT a data set of 384 px JPEG crops is made in a temporary folder.
"""

import argparse
import json
import multiprocessing
import os
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from multiprocessing.pool import Pool
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from torch.utils.data import DataLoader, RandomSampler

from handvit.datasets import DatasetInfo, HandClip, HandClipDataset, ShardWriter, hand_collate
from handvit.datasets.shards.image_codec import decode_image
from handvit.datasets.shards.label_table import label_table, to_sample
from handvit.engine.process_memory import resident_memory, shared_out_memory
from handvit.structures import HandBatch, HandSample

INFO = DatasetInfo(
    name="benchmark", split="train", source="random numbers", license="CC0-1.0", hand_model="mano"
)
SIDE = 384  # px
TRACK_LENGTH = 40  # frames
NUM_TEXTURES = 200
NUM_STAGE_FRAMES = 300
DECODE_CHUNK = 50  # images


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data_root", type=Path, nargs="?", help="data set folder")
    parser.add_argument("--clip-length", type=int, default=1, help="frames in a clip")
    parser.add_argument("--batch-size", type=int, default=64, help="clips in a batch")
    cores = len(os.sched_getaffinity(0))
    parser.add_argument("--num-workers", type=int, default=cores, help="processes")
    parser.add_argument("--num-frames", type=int, default=2000, help="of the data set made here")
    parser.add_argument("--frames-per-turn", type=int, default=4000, help="in each measurement")
    parser.add_argument("--num-turns", type=int, default=5, help="measurements of each kind")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the numbers there")
    args = parser.parse_args(arguments)

    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    with ExitStack() as stack:
        root = args.data_root
        if root is None:
            root = Path(stack.enter_context(tempfile.TemporaryDirectory())) / "shards"
            make_dataset(root, args.num_frames)
        report = measure(root, args)
    for name, value in report.items():
        print(f"{name:24} {value:.4g}")
    if args.json:
        args.json.write_text(json.dumps(report, indent=2) + "\n")


def make_dataset(root: Path, num_frames: int) -> None:
    """Write textured crops with full labels, about 40 kB each."""
    rng = np.random.default_rng(0)
    textures = [make_texture(rng) for _ in range(min(NUM_TEXTURES, num_frames))]
    with ShardWriter(root, info=INFO) as writer:
        for number in range(num_frames):
            writer.add(make_sample(rng, textures[number % len(textures)], number))


def make_texture(rng: np.random.Generator) -> bytes:
    """Return noise of several scales as JPEG: as many bytes as a photograph of that size."""
    image = np.full((SIDE, SIDE, 3), 128, np.float32)
    for cells, deviation in ((6, 60), (24, 30), (96, 10)):
        noise = rng.normal(0, deviation, (cells, cells, 3)).astype(np.float32)
        image += cv2.resize(noise, (SIDE, SIDE), interpolation=cv2.INTER_CUBIC)
    pixels = image.clip(0, 255).astype(np.uint8)
    return cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, 95])[1].tobytes()


def make_sample(rng: np.random.Generator, image: bytes, number: int) -> HandSample:
    """Return a sample with random labels of the usual number of digits."""
    track, frame = divmod(number, TRACK_LENGTH)
    keypoints_cam = rng.normal((0.0, 0.0, 0.6), 0.04, (21, 3))
    return HandSample(
        sample_id=f"benchmark/{track:06d}/cam0/{frame:06d}/right",
        image=image,
        image_size=(SIDE, SIDE),
        is_right=True,
        bbox_xyxy=np.array([96.5, 90.25, 290.75, 288.5]),
        focal=rng.normal(600, 10, 2),
        princpt=rng.normal(SIDE / 2, 1, 2),
        camera_valid=True,
        frame_time=frame / 30,
        keypoints_img=rng.uniform(100, 280, (21, 2)),
        keypoints_img_valid=np.ones(21, bool),
        keypoints_cam=keypoints_cam,
        keypoints_cam_valid=np.ones(21, bool),
        mano_valid=True,
        global_orient=rng.normal(0, 1, 3),
        hand_pose=rng.normal(0, 0.3, 45),
        betas=rng.normal(0, 1, 10),
        mano_root_cam=keypoints_cam[0],
        mano_residual=0.003,
    )


def measure(root: Path, args: argparse.Namespace) -> dict[str, float]:
    """Return rates of decoding and of loading, their ratio, stages and memory."""
    dataset = HandClipDataset(root, clip_length=args.clip_length)
    rows = np.linspace(0, len(dataset) - 1, min(len(dataset), 1000)).astype(int).tolist()
    samples = [dataset.reader.read_sample(row) for row in rows]
    images = [sample.image for sample in samples]
    context = multiprocessing.get_context("fork")
    decode, load, transfer, memory = [], [], [], []
    with context.Pool(args.num_workers, _keep_images, (images,)) as pool:
        before = set(multiprocessing.active_children())
        batches = iter(make_loader(dataset, args))
        workers = [child.pid for child in set(multiprocessing.active_children()) - before]
        loading_rate(batches, args)  # everything has been used once before anything counts
        for _ in range(args.num_turns):
            decode.append(decoding_rate(pool, len(images), args))
            rate, cpu_seconds = loading_rate(batches, args)
            load.append(rate)
            transfer.append(cpu_seconds)
            memory.append(max(resident_memory(pid) for pid in workers))
        together = sum(shared_out_memory(pid) for pid in [os.getpid(), *workers])
        del batches
    ratios = [loaded / decoded for loaded, decoded in zip(load, decode, strict=True)]
    report = {
        "num_workers": args.num_workers,
        "image_kb": float(np.mean([len(image) for image in images])) / 1e3,
        "decode_only_per_s": float(np.median(decode)),
        "loader_per_s": float(np.median(load)),
        "ratio": float(np.median(ratios)),
        "ratio_min": min(ratios),
        "ratio_max": max(ratios),
        "rss_mb": memory[-1],
        "rss_growth_mb": memory[-1] - memory[0],
        "pss_all_mb": together,
    }
    stages = stage_times(dataset, samples, args)
    return report | stages | {"transfer_ms": 1e3 * float(np.median(transfer))}


def make_loader(dataset: HandClipDataset, args: argparse.Namespace) -> DataLoader:
    """Return a loader that draws for ever."""
    return DataLoader(
        dataset,
        batch_size=args.batch_size,
        sampler=RandomSampler(dataset, replacement=True, num_samples=2**40),
        num_workers=args.num_workers,
        collate_fn=hand_collate,
        pin_memory=torch.cuda.is_available(),
        multiprocessing_context="fork",
    )


def decoding_rate(pool: Pool, num_images: int, args: argparse.Namespace) -> float:
    """Return how many images all processes decode in a second."""
    numbers = np.arange(args.frames_per_turn) % num_images
    tasks = np.array_split(numbers, max(1, len(numbers) // DECODE_CHUNK))
    start = time.perf_counter()
    pool.map(_decode, tasks, chunksize=1)
    return len(numbers) / (time.perf_counter() - start)


class _Process:
    """Hold what a process keeps from one task to the next."""

    images: list[bytes]


def _keep_images(images: list[bytes]) -> None:
    _Process.images = images


def _decode(numbers: np.ndarray) -> None:
    for number in numbers:
        encoded = np.frombuffer(_Process.images[number], np.uint8)
        cv2.imdecode(encoded, cv2.IMREAD_COLOR_RGB | cv2.IMREAD_IGNORE_ORIENTATION)


def loading_rate(batches: Iterator[HandBatch], args: argparse.Namespace) -> tuple[float, float]:
    """Return how many frames arrive in a second, and the CPU seconds it takes to receive one.

    Frames that stand in for missing ones do not count.
    """
    for _ in range(3 * args.num_workers):
        next(batches)  # what was loaded in advance, and one more of each worker
    num_frames, start, cpu_start = 0, time.perf_counter(), time.process_time()
    while num_frames < args.frames_per_turn:
        num_frames += int(next(batches).labels.frame_valid.sum())
    cpu_seconds = time.process_time() - cpu_start
    return num_frames / (time.perf_counter() - start), cpu_seconds / num_frames


def stage_times(
    dataset: HandClipDataset, samples: list[HandSample], args: argparse.Namespace
) -> dict[str, float]:
    """Return the milliseconds that a frame spends in each stage, in this process alone."""
    samples = samples[:NUM_STAGE_FRAMES]
    clips = [
        HandClip([sample], [decode_image(sample.image, sample.image_size)], np.ones(1, bool))
        for sample in samples[: args.batch_size]
    ]
    return {
        "read_ms": best_time(dataset.reader.read_stored, range(len(samples))),
        "record_parse_ms": best_time(lambda label: to_sample(label, b""), label_table(samples)),
        "decode_ms": best_time(lambda s: decode_image(s.image, s.image_size), samples),
        "collate_ms": best_time(hand_collate, [clips]) / len(clips),
    }


def best_time(function: Callable[[Any], object], items: Sequence[Any]) -> float:
    """Return the milliseconds that a call takes, in the fastest of a few rounds."""
    times = []
    for _ in range(4):
        start = time.perf_counter()
        for item in items:
            function(item)
        times.append(time.perf_counter() - start)
    return 1e3 * min(times) / len(items)


if __name__ == "__main__":
    main()
