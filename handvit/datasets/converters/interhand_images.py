"""List the images of InterHand2.6M or AssemblyHands in one table, and cut it into stretches."""

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from handvit.datasets.conversion.converter import Unit

FRAMES_PER_UNIT = 1000


def image_table(columns: Mapping[str, Sequence[Any] | np.ndarray]) -> np.ndarray:
    """Put columns side by side and sort the rows by sequence, camera and frame.

    Args:
        columns: arrays of N rows or lists of N values; ``sequence``, ``camera`` and ``frame`` are
            among them. Strings are stored as bytes.

    Returns:
        (N,) structured array with the columns as fields.
    """
    arrays = {name: _column(values) for name, values in columns.items()}
    order = np.lexsort([arrays[name] for name in ("frame", "camera", "sequence")])
    fields = [(name, array.dtype, array.shape[1:]) for name, array in arrays.items()]
    table = np.empty(len(order), fields)
    for name, array in arrays.items():
        table[name] = array[order]
    return table


def cut_stretches(table: np.ndarray) -> dict[Unit, slice]:
    """Divide a table into units: at most 1000 frames of one camera in one sequence, in order."""
    stretches = {}
    for start, end in pairwise(starts_of(table, "sequence", "camera")):
        for first in range(start, end, FRAMES_PER_UNIT):
            last = min(first + FRAMES_PER_UNIT, end)
            row = table[first]
            name = f"{row['sequence'].decode()}/{row['camera'].decode()}/{row['frame']:06d}"
            stretches[Unit(name, last - first)] = slice(first, last)
    return stretches


def starts_of(table: np.ndarray, *names: str) -> list[int]:
    """Return the rows at which one of the columns changes, and the number of rows at the end."""
    changes = [table[name][1:] != table[name][:-1] for name in names]
    inner = np.flatnonzero(np.any(changes, axis=0)) + 1
    return [0, *inner.tolist(), len(table)] if len(table) else []


def _column(values: Sequence[Any] | np.ndarray) -> np.ndarray:
    array = np.asarray(values)
    return array.astype("S") if array.dtype.kind == "U" else array
