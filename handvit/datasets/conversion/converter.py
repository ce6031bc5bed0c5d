"""Say what a converter of a raw data set provides; ``conversion.py`` does the rest.

All differences between data sets end in their converter: units, axes, joint order, mean pose,
invalid markers. What it yields are ``HandSample``s and nothing that depends on who runs it.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple, Protocol

from handvit.datasets.shards.dataset_info import DatasetInfo
from handvit.structures import HandSample


class Unit(NamedTuple):
    """Name a stretch of raw frames of one camera that is converted in one go, in temporal order."""

    name: str  # unique in the split
    num_frames: int  # raw frames, for planning and progress


class Rejection(NamedTuple):
    """Say why a raw hand or frame became no sample."""

    reason: str  # the same words for all of a kind: it is counted by them
    where: str  # the file, and what else finds the place again


class RawFrame(NamedTuple):
    """Hold an image that is not read yet, and the hands in it.

    ``hands`` are labelled in the pixels and the camera of the image as it will be read; their own
    ``image`` is empty. An ``image_size`` of (0, 0) takes any size.
    """

    where: str  # names the image in messages
    read: Callable[[], bytes]  # returns the encoded image; OSError where there is none
    hands: list[HandSample]

    @classmethod
    def of_file(cls, path: Path, hands: list[HandSample]) -> "RawFrame":
        """Take the image from a file."""
        return cls(str(path), path.read_bytes, hands)


class View(Protocol):
    """Decide which part of an image is stored with each hand, see ``view.py``."""

    def store(self, frame: RawFrame) -> Iterator[HandSample | Rejection]:
        """Read the image and yield complete samples."""


class Converter(Protocol):
    """Turn one split of a raw data set into samples.

    Raises:
        ValueError: in the constructor, when files that everything needs are missing or wrong;
            names the file and where to get it.
    """

    info: DatasetInfo  # what dataset.json will say
    view: View

    def units(self) -> list[Unit]:
        """List all of the split, in a fixed order."""

    def samples(self, unit: Unit) -> Iterator[HandSample | Rejection]:
        """Convert one unit; the result depends on nothing but the raw files."""
