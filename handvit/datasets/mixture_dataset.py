"""Train on several data sets at once, each with its share."""

import logging
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from mmengine.logging import print_log
from torch.utils.data import Dataset

from handvit.datasets.frame_stack import FrameStack
from handvit.datasets.hand_clip_dataset import ClipBatch, HandClip, HandClipDataset
from handvit.datasets.row_selection import NoClipError
from handvit.registry import DATASETS


@DATASETS.register_module()
class MixtureDataset(Dataset):
    """Put data sets one after the other; ``InfiniteMixtureSampler`` draws from them by weight.

    A part may itself be a mixture: a group, such as all egocentric data sets, whose weight is
    shared out by the weights inside it. A part without a clip of enough frames is left out with a
    warning, and the others of its group take over its share.

    Args:
        datasets: config blocks of ``HandClipDataset`` or ``MixtureDataset`` (or built ones).
        weights: how often to draw from each, in any scale.
        shared: what the config blocks of all data sets have in common, also of those inside groups;
            a block's own values come first.

    Raises:
        NoClipError: no part has a clip.
        ValueError: weights that are none, or parts that do not fit each other.
    """

    def __init__(
        self,
        datasets: Sequence["dict | HandClipDataset | MixtureDataset"],
        *,
        weights: Sequence[float],
        shared: dict[str, Any] | None = None,
    ) -> None:
        if not datasets or len(datasets) != len(weights):
            raise ValueError(
                f"weights: {len(weights)} numbers for {len(datasets)} datasets; give one for each"
            )
        if not all(weight > 0 and math.isfinite(weight) for weight in weights):
            raise ValueError(
                f"weights: {list(weights)} must be positive; leave a data set out instead of 0"
            )
        self.datasets, shares = _flatten(_build_parts(datasets, weights, shared or {}))
        self.weights = tuple(share / sum(shares) for share in shares)
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
        part, own_index = self._locate(index)
        return self.datasets[part][own_index]

    def __getitems__(self, indices: Sequence[int]) -> ClipBatch:
        """Return several clips; torch's loader calls this rather than ``__getitem__``."""
        frames = FrameStack(len(indices) * self.datasets[0].clip_length)
        clips = []
        for clip, index in enumerate(indices):
            part, own_index = self._locate(index)
            clips.append(self.datasets[part].read_clip(own_index, frames, clip))
        return ClipBatch(clips, frames)

    def _locate(self, index: int) -> tuple[int, int]:
        """Return the part that holds a clip, and the clip's index in it."""
        index = range(len(self))[index]
        part = int(np.searchsorted(self._ends, index, side="right"))
        return part, index - int(self._ends[part]) + self.sizes[part]


def _build_parts(
    datasets: Sequence[dict | HandClipDataset | MixtureDataset],
    weights: Sequence[float],
    shared: dict[str, Any],
) -> list[tuple[HandClipDataset | MixtureDataset, float]]:
    """Build the parts that have clips, each with its weight."""
    parts, reasons = [], []
    for dataset, weight in zip(datasets, weights, strict=True):
        try:
            is_config = isinstance(dataset, dict)
            part = DATASETS.build(with_shared(dataset, shared)) if is_config else dataset
        except NoClipError as error:
            reasons.append(str(error))
            print_log(f"left out: {error}", logger="current", level=logging.WARNING)
        else:
            parts.append((part, weight))
    if not parts:
        raise NoClipError(f"no data set of the mixture has a clip: {'; '.join(reasons)}")
    return parts


def with_shared(config: dict[str, Any], shared: dict[str, Any]) -> dict[str, Any]:
    """Return a part's config block with what all share; a group gets it to pass it on."""
    if "datasets" not in config:
        return {**shared, **config}
    return {**config, "shared": {**shared, **(config.get("shared") or {})}}


def _flatten(
    parts: Sequence[tuple[HandClipDataset | MixtureDataset, float]],
) -> tuple[list[HandClipDataset], list[float]]:
    """Replace each mixture by its parts; return the data sets and their weights."""
    datasets, weights = [], []
    for part, weight in parts:
        is_group = isinstance(part, MixtureDataset)
        datasets += part.datasets if is_group else [part]
        weights += [weight * share for share in part.weights] if is_group else [weight]
    return datasets, weights


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
