"""Read long JSON lists of equal arrays, such as the meshes of a data set, in little memory.

Python's floats take ten times the memory of an array's: only one entry of the list is ever held as
Python objects.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

import numpy as np

_CHUNK = 2**20  # characters that are read at a time
_LONGEST = 2**26  # characters of one entry, by far
_SEPARATOR = re.compile(r"[\s,]*")


def load_json_arrays(path: Path, shape: tuple[int, ...]) -> np.ndarray:
    """Return the entries of a JSON list as one array, (N, *shape) float64.

    Raises:
        ValueError: names the file, and the entry that is not a finite array of this shape.
    """
    rows = [
        _to_array(entry, shape, f"{path}: entry {number}")
        for number, entry in enumerate(json_entries(path))
    ]
    return np.reshape(rows, (len(rows), *shape))


def json_entries(path: Path) -> Iterator[list[Any]]:
    """Yield the entries of a JSON list of lists one by one.

    Raises:
        ValueError: there is no such file, it is cut off, or holds something else.
    """
    try:
        with path.open(encoding="ascii") as file:
            yield from _entries(file)
    except OSError as error:
        raise ValueError(f"{path}: cannot be read ({error.strerror})") from error
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path}: not a complete JSON list of lists ({error})") from error


def _entries(file: TextIO) -> Iterator[list[Any]]:
    decoder = json.JSONDecoder()
    if file.read(1) != "[":
        raise ValueError("it does not begin with '['")
    text = ""
    while (chunk := file.read(_CHUNK)) and len(text) < _LONGEST:
        text += chunk
        position = _SEPARATOR.match(text).end()
        while text.startswith("[", position):
            try:
                entry, end = decoder.raw_decode(text, position)
            except json.JSONDecodeError:  # the entry goes on in the next chunk
                break
            yield entry
            position = _SEPARATOR.match(text, end).end()
        text = text[position:]
    if text.strip() != "]":
        raise ValueError(f"it goes on with {text[:40]!r}")


def _to_array(entry: list[Any], shape: tuple[int, ...], where: str) -> np.ndarray:
    try:
        array = np.array(entry, np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{where} is no array of numbers ({error})") from error
    if array.shape != shape or not np.isfinite(array).all():
        raise ValueError(f"{where} has shape {array.shape}, want {shape}, finite numbers")
    return array
