"""Read the pickles that MANO is distributed as, safely and without chumpy.

The files were written by Python 2 and hold NumPy arrays, a SciPy sparse matrix and arrays of the
abandoned package chumpy. ``inert_unpickler`` reads their structure; this module computes from it
what those packages would have, for the few kinds that MANO uses.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from handvit.hand_models.inert_arrays import (
    MISSHAPEN,
    record_array,
    record_kind,
    to_shape,
)
from handvit.hand_models.inert_unpickler import InertRecord, load_inert
from handvit.hand_models.mano_assets import ARRAY_KEYS

#: Packages whose classes MANO's files hold: arrays that compute themselves, sparse matrices.
_PACKAGES = ("chumpy.", "scipy.sparse.")


def load_mano_pickle(path: Path) -> dict[str, np.ndarray]:
    """Return the arrays that make a hand model, dense, under their names in the file.

    Raises:
        ValueError: the pickle is damaged, hostile, or not laid out like MANO's.
    """
    content = load_inert(path.read_bytes(), where=path, packages=_PACKAGES)
    if not isinstance(content, dict):
        raise ValueError(f"{path}: holds a {type(content).__name__}, want MANO's dictionary")
    arrays = {}
    for key in ARRAY_KEYS:
        if key not in content:
            raise ValueError(f"{path}: key {key!r} is missing; want an official MANO file")
        try:
            arrays[key] = _to_array(content[key])
        except MISSHAPEN as error:
            raise ValueError(
                f"{path}: {key} is not stored the way MANO stores it ({error})"
            ) from error
    return arrays


def _to_array(value: Any) -> np.ndarray:
    """Compute the array that a record stands for."""
    if not isinstance(value, InertRecord):
        raise TypeError(f"found a {type(value).__name__}, want an array")
    kind = record_kind(value)
    if kind not in _EVALUATORS:
        raise ValueError(f"cannot evaluate {value.origin}")
    return _EVALUATORS[kind](value)


def _chumpy_array(record: InertRecord) -> np.ndarray:
    return _to_array(record.state["x"])


def _chumpy_select(record: InertRecord) -> np.ndarray:
    state = record.state
    selected = _to_array(state["a"]).ravel()[_to_array(state["idxs"])]
    return selected.reshape(to_shape(state["preferred_shape"]))


def _sparse_columns(record: InertRecord) -> np.ndarray:
    state = record.state
    dense = np.zeros(to_shape(state["_shape"]), np.float64)
    columns = np.repeat(np.arange(dense.shape[1]), np.diff(_to_array(state["indptr"])))
    np.add.at(dense, (_to_array(state["indices"]), columns), _to_array(state["data"]))
    return dense


_EVALUATORS: dict[str, Callable[[InertRecord], np.ndarray]] = {
    "_reconstruct": record_array,
    "_frombuffer": record_array,
    "Ch": _chumpy_array,
    "Select": _chumpy_select,
    "csc_matrix": _sparse_columns,
}
