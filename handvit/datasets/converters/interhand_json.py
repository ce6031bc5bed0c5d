"""Read the large JSON files of InterHand2.6M and AssemblyHands in little memory."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np


def read_json(path: Path, compact: Callable[[dict[str, Any]], Any], *, hint: str) -> dict[str, Any]:
    """Read a JSON file in a fraction of the memory that its lists would take.

    Args:
        compact: called with every object as soon as it is read; what it returns takes its place.
        hint: where to get the file, for messages.

    Raises:
        ValueError: the file is missing, cut off, no object, or ``compact`` misses something.
    """
    if not path.is_file():
        raise ValueError(f"{path}: not found; {hint}")
    try:
        content = json.loads(path.read_text("utf-8"), object_hook=compact)
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{path}: not readable ({error!r}); {hint}") from error
    if not isinstance(content, dict):
        raise ValueError(f"{path}: holds no JSON object of objects; {hint}")
    return content


def read_image_list(
    path: Path, compact: Callable[[dict[str, Any]], Any], *, hint: str
) -> list[tuple[Any, Any]]:
    """Read a COCO file and return pairs of an image and its annotation.

    Args:
        compact: as in ``read_json``; images get an ``id`` from it, annotations an ``image_id``.

    Raises:
        ValueError: as ``read_json``, or there are no annotations, or one has no image.
    """
    data = read_json(path, compact, hint=hint)
    if not data.get("images") or not data.get("annotations"):
        raise ValueError(f"{path}: has no images or no annotations; {hint}")
    images = {image.id: image for image in data["images"]}
    orphans = [entry.id for entry in data["annotations"] if entry.image_id not in images]
    if orphans:
        raise ValueError(f"{path}: annotation {orphans[0]} belongs to no image; {hint}")
    return [(images[entry.image_id], entry) for entry in data["annotations"]]


def numbers(values: Any, shape: tuple[int, ...], dtype: type = np.float64) -> np.ndarray:
    """Return nested lists as an array, however deeply they are nested.

    Raises:
        ValueError: these are not so many numbers.
    """
    return np.array(values, dtype).reshape(shape)
