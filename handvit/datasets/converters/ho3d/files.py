"""Find the frames of HO3D and read the label file of each.

``train.txt`` and ``evaluation.txt`` are the only authority on what belongs to a split; the folders
hold more frames, whose labels are ``None``.
"""

import re
from pathlib import Path
from typing import NamedTuple

import numpy as np

from handvit.datasets.conversion.converter import Rejection
from handvit.datasets.converters.plain_pickle import load_plain_pickle

HINT = "get the data set from its project page, HO-3D of TU Graz"
#: Version -> extension of its images.
IMAGE_SUFFIXES = {"v2": "png", "v3": "jpg"}
#: Lines of the lists as published.
NUM_FRAMES = {
    ("v2", "train"): 66_034,
    ("v2", "evaluation"): 11_524,
    ("v3", "train"): 83_325,
    ("v3", "evaluation"): 20_137,
}
BAD_META = "label file is not readable"
NO_LABELS = "frame has no labels"
OTHER_META = "label file has other fields than published"

_LINE = re.compile(r"(\w+)/(\d{4,})")


class Ho3dFrame(NamedTuple):
    """Name one frame as the lists do."""

    sequence: str
    number: str  # four digits or more
    index: int  # line in the list, from 0; the order of predictions and ground truth


class Ho3dTree:
    """Know where the files of one split of one version lie.

    Raises:
        ValueError: the list or the folder of a sequence in it is missing, or the first image is
            that of the other version. Images that are missing are the view's affair.
    """

    def __init__(self, root: Path, *, split: str, version: str) -> None:
        self.list_path = root / f"{split}.txt"
        self._folder = root / split
        self._suffix = IMAGE_SUFFIXES[version]
        self.frames = read_frame_list(self.list_path)
        self._check_folders()
        self._check_version(version)

    def image(self, frame: Ho3dFrame) -> Path:
        """Return the path of a frame's image."""
        return self._folder / frame.sequence / "rgb" / f"{frame.number}.{self._suffix}"

    def meta(self, frame: Ho3dFrame) -> Path:
        """Return the path of a frame's labels."""
        return self._folder / frame.sequence / "meta" / f"{frame.number}.pkl"

    def _check_folders(self) -> None:
        sequences = sorted({frame.sequence for frame in self.frames})
        missing = [name for name in sequences if not (self._folder / name).is_dir()]
        if missing:
            raise ValueError(
                f"{self._folder}: {len(missing)} of {len(sequences)} sequences that"
                f" {self.list_path.name} lists are missing, such as {missing[:5]}; {HINT}"
            )

    def _check_version(self, version: str) -> None:
        image = self.image(self.frames[0])
        for other, suffix in IMAGE_SUFFIXES.items():
            if other != version and image.with_suffix(f".{suffix}").is_file():
                raise ValueError(
                    f"{image.with_suffix(f'.{suffix}')}: this is HO3D {other}, not {version};"
                    f" say --version {other}"
                )


def read_frame_list(path: Path) -> list[Ho3dFrame]:
    """Read the lines ``SEQUENCE/FRAME`` of a list, in their order.

    Raises:
        ValueError: names the file and the line.
    """
    try:
        lines = path.read_text(encoding="ascii").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: cannot be read ({error}); {HINT}") from error
    while lines and not lines[-1].strip():
        lines.pop()
    frames, seen = [], set()
    for index, line in enumerate(lines):
        match = _LINE.fullmatch(line.strip())
        if match is None or match.groups() in seen:
            raise ValueError(f"{path}: line {index + 1}: {line!r} is no new SEQUENCE/FRAME; {HINT}")
        seen.add(match.groups())
        frames.append(Ho3dFrame(*match.groups(), index))
    if not frames:
        raise ValueError(f"{path}: is empty; {HINT}")
    return frames


def read_meta(path: Path, shapes: dict[str, tuple[int, ...]]) -> dict[str, np.ndarray] | Rejection:
    """Read some fields of a label file as float64, or say why there are none.

    Args:
        shapes: field -> the shape that it must have.
    """
    try:
        content = load_plain_pickle(path)
    except ValueError as error:
        return Rejection(BAD_META, str(error))
    if not isinstance(content, dict) or not shapes.keys() <= content.keys():
        return Rejection(OTHER_META, f"{path}: want a dictionary with {sorted(shapes)}")
    fields = {}
    for name, shape in shapes.items():
        if content[name] is None:
            return Rejection(NO_LABELS, f"{path}: {name} is None")
        try:
            fields[name] = np.array(content[name], np.float64)
        except (TypeError, ValueError) as error:
            return Rejection(OTHER_META, f"{path}: {name}: {error}")
        if fields[name].shape != shape or not np.isfinite(fields[name]).all():
            found = fields[name].shape
            return Rejection(OTHER_META, f"{path}: {name} is {found}, want {shape}, finite numbers")
    return fields
