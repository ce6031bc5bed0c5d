"""Lend memory that another process can map, and use it again when both have let go of it.

Fresh shared memory takes longer than decoding a quarter of a picture, since the kernel clears and
maps every page of it. So a worker process fills the same few segments again and again.
"""

import mmap
import os
import weakref
from typing import NamedTuple

import numpy as np

_HEADER = mmap.PAGESIZE  # bytes before the content, where both sides note that they hold it
_SENDER, _RECEIVER = 0, 1  # places of these notes
_MAX_SPARE = 8  # segments kept though nobody holds them


class BatchMemory:
    """Keep the segments of one process. Linux only, as ``memfd_create`` is."""

    def __init__(self) -> None:
        self._segments: dict[int, _Segment] = {}  # by the address of the content

    def __len__(self) -> int:
        return len(self._segments)

    def lend(self, num_bytes: int) -> np.ndarray:
        """Return bytes with any content, (num_bytes,) uint8, free again when all views are gone."""
        free = [segment for segment in self._segments.values() if segment.is_free]
        chosen = next((segment for segment in free if segment.num_bytes >= num_bytes), None)
        if chosen is None or len(free) > _MAX_SPARE:
            for segment in free:
                if segment is not chosen:
                    self._segments.pop(segment.address).close()
        if chosen is None:
            chosen = _Segment(num_bytes)
            self._segments[chosen.address] = chosen
        return _hold(chosen.memory, _SENDER, num_bytes)

    def send(self, address: int) -> "Handle | None":
        """Return what another process needs to ``receive`` the content at an address.

        ``None`` where no lent content begins there, or a process has it already.
        """
        segment = self._segments.get(address)
        if segment is None or segment.memory[_RECEIVER]:
            return None
        segment.memory[_RECEIVER] = True  # the receiver may take its time: hold it for him
        return Handle(os.getpid(), segment.file)


class Handle(NamedTuple):
    """Name a segment of a process that lives."""

    process: int
    file: int  # descriptor there


def receive(handle: Handle) -> np.ndarray:
    """Map what another process sent, (N,) uint8; it is its again when all views are gone.

    Raises:
        RuntimeError: the process is dead, as torch's loader says when it notices first.
    """
    # Opening it through /proc is 20 times as fast as multiprocessing's way to pass a descriptor.
    try:
        with open(f"/proc/{handle.process}/fd/{handle.file}", "r+b", buffering=0) as file:
            memory = mmap.mmap(file.fileno(), 0)
    except (FileNotFoundError, ProcessLookupError) as error:
        raise RuntimeError(
            f"DataLoader worker (pid {handle.process}) was killed, and its last batch with it; the"
            " machine may be out of memory. Use fewer workers, or see its kernel log"
        ) from error
    return _hold(memory, _RECEIVER, len(memory) - _HEADER)


class _Segment:
    """Hold a stretch of memory without a name, so that a killed process leaves nothing behind."""

    def __init__(self, num_bytes: int) -> None:
        self.num_bytes = num_bytes
        self.file = os.memfd_create("handvit_batch")
        os.ftruncate(self.file, _HEADER + num_bytes)
        self.memory = mmap.mmap(self.file, 0)
        self.address = np.frombuffer(self.memory, np.uint8).ctypes.data + _HEADER

    @property
    def is_free(self) -> bool:
        return not (self.memory[_SENDER] or self.memory[_RECEIVER])

    def close(self) -> None:
        os.close(self.file)


def _hold(memory: mmap.mmap, side: int, num_bytes: int) -> np.ndarray:
    """Return a view of the content; while it or a view or tensor of it lives, ``side`` holds it."""
    content = np.ndarray(num_bytes, np.uint8, memory, offset=_HEADER)
    memory[side] = True
    weakref.finalize(content, _let_go, memory, side, os.getpid()).atexit = False
    return content


def _let_go(memory: mmap.mmap, side: int, owner: int) -> None:
    if os.getpid() == owner:  # what a forked process inherits does not count
        memory[side] = False
