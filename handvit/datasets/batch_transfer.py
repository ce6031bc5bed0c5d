"""Move a ``HandBatch`` from a worker process to the training process.

Left alone, torch copies each tensor of a batch into fresh shared memory and passes on one file
descriptor for each. Here the images stay in the ``BatchMemory`` they were collated into, and the
labels, which are small, travel in the message.
"""

import os
from multiprocessing.reduction import ForkingPickler
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import get_worker_info

from handvit.datasets.batch_memory import BatchMemory, Handle, receive
from handvit.structures import HandBatch

_MEMORY = BatchMemory()


def batch_buffer(num_bytes: int) -> np.ndarray:
    """Return memory for the images of a batch, (num_bytes,) uint8 with any content.

    Where a system has no memory of that kind, batches travel in torch's own way.
    """
    if get_worker_info() is None or not hasattr(os, "memfd_create"):
        return np.empty(num_bytes, np.uint8)
    return _MEMORY.lend(num_bytes)


def _reduce(batch: HandBatch) -> tuple:
    handle = _MEMORY.send(batch.image.data_ptr())
    if handle is None:
        return HandBatch, tuple(batch)  # each tensor in torch's own way
    layout = (batch.image.shape, batch.image.stride())
    return _rebuild, (handle, layout, _to_arrays(batch.image_size), _to_arrays(batch.labels))


def _rebuild(handle: Handle, layout: tuple, image_size: np.ndarray, labels: tuple) -> HandBatch:
    image = torch.from_numpy(receive(handle)).as_strided(*layout)  # (B, T, 3, H, W)
    return HandBatch(image, _to_tensors(image_size), _to_tensors(labels))


def _to_arrays(value: Any) -> Any:
    """Replace the tensors of (nested) named tuples by arrays."""
    if isinstance(value, tuple):
        return type(value)(*map(_to_arrays, value))
    return value.numpy() if isinstance(value, Tensor) else value


def _to_tensors(value: Any) -> Any:
    """Undo ``_to_arrays``."""
    if isinstance(value, tuple):
        return type(value)(*map(_to_tensors, value))
    return torch.from_numpy(value) if isinstance(value, np.ndarray) else value


ForkingPickler.register(HandBatch, _reduce)
