"""Serve the samples of a clip as they are stored, without making objects that nobody looks at."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from handvit.datasets.shards.label_table import NUMBERS_DTYPE, to_sample
from handvit.structures import HandSample


class StoredSample(NamedTuple):
    """Hold what the files say of one sample."""

    image: memoryview  # encoded
    record: memoryview  # JSON
    label: np.void  # row of the shard's ``label_table``, which says the same

    @property
    def image_size(self) -> tuple[int, int]:
        """Width and height in px."""
        width, height = self.label["image_size"].tolist()
        return width, height

    def to_sample(self) -> HandSample:
        """Return the sample; its arrays are views of ``label``."""
        return to_sample(self.label, bytes(self.image))


class StoredSamples(Sequence[HandSample]):
    """Make each sample of a clip when it is asked for."""

    def __init__(self, stored: Sequence[StoredSample]) -> None:
        self._stored = stored

    def __len__(self) -> int:
        return len(self._stored)

    def __getitem__(self, number: int) -> HandSample:
        return self._stored[number].to_sample()

    @property
    def last_id(self) -> str:
        """Id of the last sample."""
        return self._stored[-1].label["sample_id"].decode()

    @property
    def numbers(self) -> list[memoryview]:
        """The bytes of each sample's row of ``number_table``, (T,)."""
        end = NUMBERS_DTYPE.itemsize
        return [memoryview(stored.label).cast("B")[:end] for stored in self._stored]
