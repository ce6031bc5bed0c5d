"""Train on several data sets at once, each with its share."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from torch.utils.data import Dataset

from handvit.datasets.hand_clip_dataset import HandClip, HandClipDataset
from handvit.registry import DATASETS


@DATASETS.register_module()
class MixtureDataset(Dataset):
    """Put data sets one after the other; ``InfiniteMixtureSampler`` draws from them by weight.

    Args:
        datasets: config blocks of ``HandClipDataset`` (or built ones).
        weights: how often to draw from each, in any scale.
    """

    def __init__(
        self, datasets: Sequence[dict | HandClipDataset], *, weights: Sequence[float]
    ) -> None:
        if not datasets or len(datasets) != len(weights):
            raise ValueError(
                f"weights: {len(weights)} numbers for {len(datasets)} datasets; give one for each"
            )
        if not all(weight > 0 and math.isfinite(weight) for weight in weights):
            raise ValueError(
                f"weights: {list(weights)} must be positive; leave a data set out instead of 0"
            )
        self.datasets = [_build(dataset) for dataset in datasets]
        self.weights = tuple(weight / sum(weights) for weight in weights)
        self.sizes = tuple(len(dataset) for dataset in self.datasets)
        self._ends = np.cumsum(self.sizes)
        self._hand_model = _check_agreement(self.datasets)

    @property
    def metainfo(self) -> dict[str, Any]:
        """What the parts say of themselves, and the hand model that their labels share."""
        parts = [dataset.metainfo for dataset in self.datasets]
        name = "+".join(part["name"] for part in parts)
        return {"name": name, "hand_model": self._hand_model, "datasets": parts}

    @property
    def part(self) -> np.ndarray:
        """Number of the data set that each predicted frame belongs to, (len,)."""
        return np.repeat(np.arange(len(self.sizes)), self.sizes)

    @property
    def columns(self) -> np.ndarray:
        """Index rows of all predicted frames, (len,) INDEX_DTYPE; tracks count per ``part``."""
        return np.concatenate([dataset.columns for dataset in self.datasets])

    def __len__(self) -> int:
        return int(self._ends[-1])

    def __getitem__(self, index: int) -> HandClip:
        part = int(np.searchsorted(self._ends, index, side="right"))
        return self.datasets[part][index - int(self._ends[part]) + self.sizes[part]]


def _build(dataset: dict | HandClipDataset) -> HandClipDataset:
    return DATASETS.build(dataset) if isinstance(dataset, dict) else dataset


def _check_agreement(datasets: Sequence[HandClipDataset]) -> str | None:
    """Return the one hand model of all labels, ``None`` if no data set has MANO labels."""
    lengths = [dataset.clip_length for dataset in datasets]
    if len(set(lengths)) > 1:
        raise ValueError(f"clip_length: {lengths} differ; give all data sets of a mixture the same")
    models = {dataset.metainfo["name"]: dataset.metainfo["hand_model"] for dataset in datasets}
    named = {dataset.metainfo["hand_model"] for dataset in datasets} - {None}
    if len(named) > 1:
        raise ValueError(
            f"hand_model: {models} differ; the same MANO numbers mean different hands, so train on"
            " data sets of one hand model"
        )
    return named.pop() if named else None
