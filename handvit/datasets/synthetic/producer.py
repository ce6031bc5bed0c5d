"""Carry out a plan with any number of processes; the files come out the same.

A shard is the unit of work. What was finished before an interruption is not made again.
"""

import multiprocessing
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_EXCEPTION, ProcessPoolExecutor, wait
from contextlib import contextmanager
from multiprocessing.sharedctypes import Synchronized
from pathlib import Path

import cv2
import torch

from handvit.datasets.dataset_info import DatasetInfo
from handvit.datasets.shard_writer import finalize, is_finished, write_shard
from handvit.datasets.synthetic.generator import HandGenerator, TrackSpec
from handvit.datasets.synthetic.plan import SyntheticPlan

_POLL_SECONDS = 0.2

#: What ``report`` is called with: a number of new samples.
Report = Callable[[int], None]
Shards = dict[int, list[TrackSpec]]


def produce(root: Path, plan: SyntheticPlan, *, num_workers: int, report: Report) -> DatasetInfo:
    """Make a synthetic data set, or the rest of one that was begun.

    Args:
        num_workers: processes; a single one is this one.
        report: called with numbers of new samples; first with those that were there already.

    Raises:
        ValueError: the folder holds something else than a part of this plan.
    """
    if num_workers < 1:
        raise ValueError(f"num_workers: {num_workers} must be 1 or more")
    plan.claim(root)
    shards = dict(enumerate(plan.shards()))
    todo = {number: specs for number, specs in shards.items() if not is_finished(root, number)}
    report(plan.num_frames - sum(spec.num_frames for specs in todo.values() for spec in specs))
    if num_workers == 1:
        _produce_here(root, plan, todo, report)
    elif todo:
        _produce_in_pool(root, plan, todo, report, num_workers=min(num_workers, len(todo)))
    return finalize(root, plan.info, num_shards=len(shards))


def _produce_here(root: Path, plan: SyntheticPlan, shards: Shards, report: Report) -> None:
    generator = _generator(plan)
    with _one_thread():
        for number, specs in shards.items():
            _write(root, number, generator, specs, report)


def _produce_in_pool(
    root: Path, plan: SyntheticPlan, shards: Shards, report: Report, *, num_workers: int
) -> None:
    context = multiprocessing.get_context("spawn")  # a fork of torch's threads can hang
    counter = context.Value("q", 0)
    reported = 0
    with ProcessPoolExecutor(num_workers, context, _start_worker, (plan, counter)) as pool:
        pending = {pool.submit(_write_in_worker, root, *shard) for shard in shards.items()}
        try:
            while pending:
                done, pending = wait(pending, _POLL_SECONDS, FIRST_EXCEPTION)
                made = counter.value
                if made > reported:
                    report(made - reported)
                reported = made
                for future in done:
                    future.result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


class _Worker:
    """Hold what a worker process keeps from one shard to the next."""

    generator: HandGenerator
    counter: Synchronized


def _start_worker(plan: SyntheticPlan, counter: Synchronized) -> None:
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    _Worker.generator, _Worker.counter = _generator(plan), counter


def _write_in_worker(root: Path, number: int, specs: list[TrackSpec]) -> None:
    _write(root, number, _Worker.generator, specs, _add_to_counter)


def _add_to_counter(count: int) -> None:
    with _Worker.counter.get_lock():
        _Worker.counter.value += count


def _write(
    root: Path, number: int, generator: HandGenerator, specs: list[TrackSpec], report: Report
) -> None:
    def counted() -> Iterator:
        for sample in generator.generate(specs):
            yield sample
            report(1)

    write_shard(root, number, counted())


def _generator(plan: SyntheticPlan) -> HandGenerator:
    return HandGenerator(plan.limits, image_size=plan.image_size)


@contextmanager
def _one_thread() -> Iterator[None]:
    """Let torch use one thread: sums come out the same, and small tensors come out faster."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
