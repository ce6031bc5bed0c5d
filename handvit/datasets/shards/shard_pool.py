"""Write the shards of a data set side by side in several processes."""

import multiprocessing
import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_EXCEPTION, ProcessPoolExecutor, wait
from contextlib import contextmanager
from multiprocessing.sharedctypes import Synchronized
from types import FrameType

import cv2
import torch

_POLL_SECONDS = 0.2

#: What ``report`` is called with: a number of items (frames, samples) that are done.
Report = Callable[[int], None]
#: Writes the shard of a number, and reports on the way.
WriteShard = Callable[[int, Report], None]


def write_shards(
    numbers: Sequence[int], write_shard: WriteShard, *, num_workers: int, report: Report
) -> None:
    """Call ``write_shard`` for each number; what it writes must depend on the number alone.

    Args:
        write_shard: runs in forked processes, so it may hold large tables, which they share.
        num_workers: processes; a single one is this one.

    Raises:
        ValueError: ``num_workers`` is below 1.
        Exception: whatever ``write_shard`` raised first; shards not yet begun are left out.
    """
    check_num_workers(num_workers)
    with one_thread():
        if num_workers == 1:
            for number in numbers:
                write_shard(number, report)
        elif numbers:
            _write_in_pool(numbers, write_shard, min(num_workers, len(numbers)), report)


def check_num_workers(num_workers: int) -> None:
    """Refuse a number of processes below 1, for callers that prepare something first.

    Raises:
        ValueError: it is below 1.
    """
    if num_workers < 1:
        raise ValueError(f"num_workers: {num_workers} must be 1 or more")


def _write_in_pool(
    numbers: Sequence[int], write_shard: WriteShard, num_workers: int, report: Report
) -> None:
    context = multiprocessing.get_context("fork")  # as torch's DataLoader does
    counter = context.Value("q", 0)
    reported = 0
    pool = ProcessPoolExecutor(num_workers, context, _start_worker, (write_shard, counter))
    try:
        # A worker that has just been forked has no handler of its own yet: Ctrl-C waits for that.
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            pending = {pool.submit(_write_in_worker, number) for number in numbers}
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
        while pending:
            done, pending = wait(pending, _POLL_SECONDS, FIRST_EXCEPTION)
            made = counter.value
            report(made - reported)
            reported = made
            for future in done:
                future.result()
    finally:
        # One call: a second one, as by `with`, would take the cancelling back.
        pool.shutdown(cancel_futures=True)


class _Worker:
    """Hold what a worker process keeps from one shard to the next."""

    write_shard: WriteShard
    counter: Synchronized
    is_stopped = False


def _start_worker(write_shard: WriteShard, counter: Synchronized) -> None:
    signal.signal(signal.SIGINT, _stop)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    _Worker.write_shard, _Worker.counter = staticmethod(write_shard), counter


def _stop(number: int, frame: FrameType | None) -> None:
    """Leave for Ctrl-C without a traceback: the parent gets it too, and says what there is to say.

    What the worker was writing is removed on the way out. The pool takes the exception for the
    result of this shard and hands out the next one, which must not be begun.
    """
    _Worker.is_stopped = True
    raise SystemExit(128 + number)


def _write_in_worker(number: int) -> None:
    if _Worker.is_stopped:
        raise SystemExit
    _Worker.write_shard(number, _add_to_counter)


def _add_to_counter(count: int) -> None:
    with _Worker.counter.get_lock():
        _Worker.counter.value += count


@contextmanager
def one_thread() -> Iterator[None]:
    """Let torch and OpenCV use one thread: sums come out the same, small arrays faster.

    Forked processes inherit it. They cannot set it themselves: OpenCV would wait for ever for the
    threads that were left behind in the parent.
    """
    before_torch, before_cv2 = torch.get_num_threads(), cv2.getNumThreads()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before_torch)
        cv2.setNumThreads(before_cv2)
