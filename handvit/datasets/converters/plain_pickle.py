"""Read the pickles of raw data sets into plain values, while calling nothing that they name.

Data sets of the Python 2 days keep their labels in pickles, and NumPy keeps dictionaries in
``.npy`` files as pickles. What comes out here is made of dict, list, tuple, str, bytes, int, float,
bool, None and ``np.ndarray``; a pickle that holds anything else is refused.
"""

import io
import tokenize
from pathlib import Path
from typing import Any

import numpy as np

from handvit.hand_models.inert_arrays import (
    MISSHAPEN,
    record_array,
    record_bytes,
    record_kind,
    record_scalar,
)
from handvit.hand_models.inert_unpickler import InertRecord, load_inert

_NPY_HEADERS = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}
#: What NumPy raises on damaged headers.
_BAD_HEADER = (ValueError, KeyError, TypeError, SyntaxError, tokenize.TokenError)


def load_plain_pickle(source: Path | bytes, *, where: Path | str | None = None) -> Any:
    """Return what a pickle holds.

    Strings of Python 2 become str (latin1), arrays become new ones in this machine's byte order,
    NumPy's scalars become Python's.

    Args:
        source: a file, or the content of one.
        where: names the pickle in messages; by default the file.

    Raises:
        ValueError: there is no such file, or it is damaged, names a callable, or holds objects.
    """
    content, where = _content(source, where)
    return _plain(content, where)


def load_plain_npy(source: Path | bytes, *, where: Path | str | None = None) -> Any:
    """Return the one object, such as a dictionary, that ``np.save`` put into a ``.npy`` file.

    Raises:
        ValueError: as ``load_plain_pickle``, or the file holds an ordinary array.
    """
    content, where = _content(source, where)
    stream = io.BytesIO(content)
    try:
        shape, _, dtype = _NPY_HEADERS[np.lib.format.read_magic(stream)](stream)
    except _BAD_HEADER as error:
        raise ValueError(f"{where}: not a readable .npy ({error})") from error
    if dtype != np.dtype(object) or shape != ():
        raise ValueError(f"{where}: holds a {shape} array of {dtype}, want one Python object")
    return _plain(stream.read(), where)


def _content(source: Path | bytes, where: Path | str | None) -> tuple[bytes, Path | str]:
    if isinstance(source, bytes):
        return source, where or "pickle"
    try:
        return source.read_bytes(), where or source
    except OSError as error:
        raise ValueError(f"{where or source}: cannot be read ({error.strerror})") from error


def _plain(content: bytes, where: Path | str) -> Any:
    inert = load_inert(content, where=where)
    try:
        return _PlainValues(len(content)).build(inert)
    except MISSHAPEN as error:
        raise ValueError(f"{where}: not plain data ({type(error).__name__}: {error})") from error


class _PlainValues:
    """Turn records and containers into plain values; what is shared in the pickle stays shared.

    Args:
        budget: bytes that all arrays and strings of records may have together. Honest pickles hold
            each of them once; a forged one could have its content copied a million times.
    """

    def __init__(self, budget: int) -> None:
        self._budget = budget
        self._built: dict[int, Any] = {}
        self._unfinished: set[int] = set()

    def build(self, value: Any) -> Any:
        """Return the plain value of anything that ``load_inert`` returned."""
        if value is None or type(value) in (str, bytes, int, float, bool):
            return value
        key = id(value)  # the inert values outlive this object
        if key in self._unfinished:
            raise ValueError(f"a {type(value).__name__} that holds itself")
        if key not in self._built:
            self._unfinished.add(key)
            self._built[key] = self._build(value)
            self._unfinished.remove(key)
        return self._built[key]

    def _build(self, value: Any) -> Any:
        if isinstance(value, InertRecord):
            return self._of_record(value)
        if type(value) is dict:
            return {self.build(key): self.build(entry) for key, entry in value.items()}
        if type(value) in (list, tuple):
            return type(value)(self.build(entry) for entry in value)
        raise ValueError(f"a {type(value).__name__}")

    def _of_record(self, record: InertRecord) -> Any:
        kind = record_kind(record)
        if kind in ("bytes", "encode"):
            return self._paid(record_bytes(record))
        if kind == "scalar":
            return self._paid(record_scalar(record))
        if _is_boxed(record):
            (entry,) = record.state[4]
            return self.build(entry)
        array = record_array(record)
        self._pay(array.nbytes)
        return array.astype(array.dtype.newbyteorder("="))  # a copy that may be written to

    def _paid(self, value: Any) -> Any:
        self._pay(len(value) if isinstance(value, str | bytes) else 1)
        return value

    def _pay(self, num_bytes: int) -> None:
        self._budget -= num_bytes
        if self._budget < 0:
            raise ValueError("more data than the file has bytes")


def _is_boxed(record: InertRecord) -> bool:
    """Tell whether a record is an array of no dimensions with one Python object in it."""
    if record_kind(record) != "_reconstruct":
        return False
    _, shape, dtype, _, content = record.state
    return shape == () and dtype.arguments[0] in ("O", "O4", "O8") and type(content) is list
