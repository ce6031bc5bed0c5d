"""Read the large JSON files of InterHand2.6M and AssemblyHands in little memory."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar, Protocol

import numpy as np


class CocoRecord(Protocol):
    """Take the place of the objects of one list of a COCO file."""

    KEY: ClassVar[str]  # all objects of this list have it, and no others

    @classmethod
    def of(cls, record: dict[str, Any]) -> "CocoRecord":
        """Keep what is needed of an object."""


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
    path: Path, image_type: type[CocoRecord], annotation_type: type[CocoRecord], *, hint: str
) -> list[tuple[Any, Any]]:
    """Read a COCO file and return pairs of an image and its annotation.

    Args:
        image_type: of ``images``; has an ``id``.
        annotation_type: of ``annotations``; has an ``id`` and an ``image_id``.

    Raises:
        ValueError: as ``read_json``, or there are no annotations, or one has no image, or an object
            lacks the key of its list.
    """

    def compact(record: dict[str, Any]) -> Any:
        for kind in (image_type, annotation_type):
            if kind.KEY in record:
                return kind.of(record)
        return record

    data = read_json(path, compact, hint=hint)
    lists = {"images": image_type, "annotations": annotation_type}
    for name, kind in lists.items():
        _check_records(f"{path}: {name}", data.get(name), kind, hint)
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


def _check_records(where: str, records: Any, kind: type[CocoRecord], hint: str) -> None:
    if not isinstance(records, list) or not records:
        raise ValueError(f"{where}: want a list of objects, found none; {hint}")
    for index, record in enumerate(records):
        if not isinstance(record, kind):
            found = list(record) if isinstance(record, dict) else type(record).__name__
            raise ValueError(f"{where}: object {index} lacks {kind.KEY!r}, found {found}; {hint}")
