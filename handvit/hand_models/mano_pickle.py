"""Read the pickles that MANO is distributed as, safely and without chumpy.

The files were written by Python 2 and hold NumPy arrays, a SciPy sparse matrix and arrays of the
abandoned package chumpy. ``inert_unpickler`` reads their structure; this module computes from it
what those packages would have, for the few kinds that MANO uses.
"""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from handvit.hand_models.inert_unpickler import InertRecord, load_inert
from handvit.hand_models.mano_assets import ARRAY_KEYS

#: What a record raises whose parts are not what they should be, a record inside itself included.
_MISSHAPEN = (
    AttributeError, IndexError, KeyError, TypeError, ValueError, RecursionError, MemoryError,
)  # fmt: skip


def load_mano_pickle(path: Path) -> dict[str, np.ndarray]:
    """Return the arrays that make a hand model, dense, under their names in the file.

    Raises:
        ValueError: the pickle is damaged, hostile, or not laid out like MANO's.
    """
    content = load_inert(path)
    if not isinstance(content, dict):
        raise ValueError(f"{path}: holds a {type(content).__name__}, want MANO's dictionary")
    arrays = {}
    for key in ARRAY_KEYS:
        if key not in content:
            raise ValueError(f"{path}: key {key!r} is missing; want an official MANO file")
        try:
            arrays[key] = _to_array(content[key])
        except _MISSHAPEN as error:
            raise ValueError(
                f"{path}: {key} is not stored the way MANO stores it ({error})"
            ) from error
    return arrays


def _to_array(value: Any) -> np.ndarray:
    """Compute the array that a record stands for."""
    if not isinstance(value, InertRecord):
        raise TypeError(f"found a {type(value).__name__}, want an array")
    kind = value.origin.rsplit(".", 1)[-1]
    if kind not in _EVALUATORS:
        raise ValueError(f"cannot evaluate {value.origin}")
    return _EVALUATORS[kind](value)


def _numpy_array(record: InertRecord) -> np.ndarray:
    _, shape, dtype, is_fortran, content = record.state
    flat = np.frombuffer(_to_bytes(content), _to_dtype(dtype))
    return flat.reshape(_to_shape(shape), order="F" if is_fortran else "C")


def _numpy_array_from_buffer(record: InertRecord) -> np.ndarray:
    content, dtype, shape, order = record.arguments
    return np.frombuffer(content, _to_dtype(dtype)).reshape(_to_shape(shape), order=order)


def _chumpy_array(record: InertRecord) -> np.ndarray:
    return _to_array(record.state["x"])


def _chumpy_select(record: InertRecord) -> np.ndarray:
    state = record.state
    selected = _to_array(state["a"]).ravel()[_to_array(state["idxs"])]
    return selected.reshape(_to_shape(state["preferred_shape"]))


def _sparse_columns(record: InertRecord) -> np.ndarray:
    state = record.state
    dense = np.zeros(_to_shape(state["_shape"]), np.float64)
    columns = np.repeat(np.arange(dense.shape[1]), np.diff(_to_array(state["indptr"])))
    np.add.at(dense, (_to_array(state["indices"]), columns), _to_array(state["data"]))
    return dense


_EVALUATORS: dict[str, Callable[[InertRecord], np.ndarray]] = {
    "_reconstruct": _numpy_array,
    "_frombuffer": _numpy_array_from_buffer,
    "Ch": _chumpy_array,
    "Select": _chumpy_select,
    "csc_matrix": _sparse_columns,
}


def _to_dtype(record: InertRecord) -> np.dtype:
    """Return a plain number type; anything else could hold pointers."""
    code = record.arguments[0]
    if not re.fullmatch("[fiu][1248]", code):
        raise ValueError(f"element type {code!r} is not a number")
    return np.dtype(code).newbyteorder(record.state[1])


def _to_shape(value: Any) -> tuple[int, ...]:
    """Return array sizes, which may themselves be stored as NumPy numbers or an array."""
    if isinstance(value, InertRecord):
        return tuple(_to_array(value).tolist())
    return tuple(_to_int(size) for size in value)


def _to_int(value: Any) -> int:
    if isinstance(value, InertRecord):
        dtype, content = value.arguments
        return int(np.frombuffer(_to_bytes(content), _to_dtype(dtype)).item())
    return int(value)


def _to_bytes(value: Any) -> bytes:
    """Return raw content: bytes, a Python 2 string, or ``_codecs.encode(text, "latin1")``."""
    if isinstance(value, InertRecord):
        value, encoding = value.arguments
        if encoding != "latin1":
            raise ValueError(f"unexpected text encoding {encoding!r}")
    return value.encode("latin1") if isinstance(value, str) else value
