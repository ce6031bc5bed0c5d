"""Choose among the images of InterHand2.6M by hand type and by a list of annotations."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from handvit.datasets.converters.interhand26m.annotations import HAND_TYPES


@dataclass(frozen=True)
class AnnotationList:
    """Hold the ids of the human-annotated images, which the data set itself does not tell.

    In train the rest is less than the official machine-annotated subset M, which shares 76,457
    images with the list.

    Args:
        path: text file with one id of ``annotations`` a line.
        inside: take the images on the list, or else all the others.

    Raises:
        ValueError: names the file and the line that is no id.
    """

    path: Path
    inside: bool

    def mask(self, ids: np.ndarray) -> np.ndarray:
        """Return which of the ids of a split are taken, (N,) -> (N,) bool.

        Raises:
            ValueError: the list has ids that the split has not.
        """
        listed = self._read()
        unknown = np.setdiff1d(listed, ids)
        if len(unknown):
            raise ValueError(
                f"{self.path}: {len(unknown)} of {len(listed)} ids, such as {unknown[0]}, are not"
                " in data.json; use the list of this split and release (5 fps and 30 fps differ)"
            )
        return np.isin(ids, listed, invert=not self.inside)

    def _read(self) -> np.ndarray:
        if not self.path.is_file():
            raise ValueError(f"{self.path}: not found; want one annotation id a line")
        words = self.path.read_text(errors="replace").split()
        for number, word in enumerate(words, start=1):
            if not word.isdecimal():
                raise ValueError(f"{self.path}: entry {number} is {word!r}, want an annotation id")
        return np.unique(np.array(words, np.int64))


@dataclass(frozen=True, kw_only=True)
class Subset:
    """Choose images.

    Args:
        hand_types: keys of ``HAND_TYPES``.
        listed: a choice by annotation, ``None`` for all.
    """

    hand_types: tuple[str, ...] = tuple(HAND_TYPES)
    listed: AnnotationList | None = None

    def mask(self, images: np.ndarray) -> np.ndarray:
        """Return which rows of ``Annotations.images`` are taken, (N,) bool.

        Raises:
            ValueError: none are.
        """
        mask = np.isin(images["hand_type"], np.array(self.hand_types, "S"))
        if self.listed is not None:
            mask &= self.listed.mask(images["annotation"])
        if not mask.any():
            raise ValueError(f"{self.description}: the split has no such image; choose others")
        return mask

    @property
    def description(self) -> str:
        """Say in words what is chosen."""
        types = f"images of type {', '.join(self.hand_types)}"
        if self.listed is None:
            return f"{types}, human and machine annotated"
        name = f"the list of human annotations {self.listed.path.name}"
        if self.listed.inside:
            return f"{types}, on {name}"
        return f"{types}, not on {name} (in train that is less than the official subset M)"
