"""Compute the NumPy arrays and scalars that the inert records of a pickle stand for.

Element types are numbers, truth values and text of fixed length; any other could hold pointers.
Nothing is allocated for a size that a file only claims: its content must have that size.
"""

import re
from typing import Any

import numpy as np

from handvit.hand_models.inert_unpickler import InertRecord

#: What a record raises whose parts are not what they should be, a record inside itself included.
MISSHAPEN = (
    AttributeError, IndexError, KeyError, TypeError, ValueError, OverflowError, RecursionError,
    MemoryError,
)  # fmt: skip
_ELEMENT_TYPES = re.compile(r"b1|[fiu][1248]|[SU][1-9][0-9]{0,5}")


def record_kind(record: InertRecord) -> str:
    """Return the name of what a record stands for, without its package."""
    return record.origin.rsplit(".", 1)[-1]


def record_array(record: InertRecord) -> np.ndarray:
    """Return the array that a record stands for, read-only."""
    kind = record_kind(record)
    if kind == "_reconstruct":  # protocols 0 to 4
        _, shape, dtype, is_fortran, content = record.state
        order = "F" if is_fortran else "C"
    elif kind == "_frombuffer":  # protocol 5
        content, dtype, shape, order = record.arguments
    else:
        raise ValueError(f"found {record.origin}, want an array")
    return _elements(content, dtype).reshape(to_shape(shape), order=order)


def record_scalar(record: InertRecord) -> bool | int | float | str | bytes:
    """Return the plain value of a ``scalar`` record."""
    dtype, content = record.arguments
    return _elements(content, dtype).item()


def record_bytes(value: Any) -> bytes:
    """Return raw content: bytes, a Python 2 string, or a record of what Python 3 writes for it."""
    if isinstance(value, InertRecord) and (record_kind(value), value.arguments) == ("bytes", ()):
        return b""
    if isinstance(value, InertRecord):  # _codecs.encode(text, "latin1")
        value, encoding = value.arguments
        if encoding != "latin1":
            raise ValueError(f"unexpected text encoding {encoding!r}")
    content = value.encode("latin1") if isinstance(value, str) else value
    if not isinstance(content, bytes | bytearray):
        raise TypeError(f"found a {type(content).__name__}, want bytes")
    return bytes(content)


def to_shape(value: Any) -> tuple[int, ...]:
    """Return array sizes, which may themselves be stored as NumPy numbers or an array."""
    if isinstance(value, InertRecord):
        value = record_array(value).tolist()
    sizes = tuple(_to_int(size) for size in value)
    if min(sizes, default=0) < 0:  # reshape would fill in what fits
        raise ValueError(f"array of shape {sizes}")
    return sizes


def _to_int(value: Any) -> int:
    return int(record_scalar(value) if isinstance(value, InertRecord) else value)


def _elements(content: Any, dtype: InertRecord) -> np.ndarray:
    element_type = _to_dtype(dtype)  # first: of other types, the content is no bytes
    return np.frombuffer(record_bytes(content), element_type)


def _to_dtype(record: InertRecord) -> np.dtype:
    code = record.arguments[0]
    if not _ELEMENT_TYPES.fullmatch(code):
        raise ValueError(f"element type {code!r} is not a number, truth value or text")
    return np.dtype(code).newbyteorder(record.state[1])
