"""Describe what a training saw: outside of it, nobody knows how well the model does."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from torch.utils.data import Dataset, IterableDataset

from handvit.datasets.mixture_dataset import MixtureDataset
from handvit.datasets.token_cache import CachedTokenDataset

#: Columns of the index that networks are sensitive to: px, metres, px.
COLUMNS = ("focal", "root_depth", "bbox_size")
#: Percentiles that are written down.
PERCENTILES = (0, 1, 5, 25, 50, 75, 95, 99, 100)
_MAX_ROWS = 200_000  # of each data set; enough for the first and last percentile


def measure_range(dataset: Dataset) -> dict[str, Any] | None:
    """Return plain values that say what a training draws, by how often it draws it.

    ``datasets`` lists name, split, number of hands, and share of the draws; ``percentiles`` has the
    values of ``COLUMNS`` at ``PERCENTILES``, or None where no hand has one; ``right_share`` and
    ``camera_share`` say how many hands are right ones, and have a real camera. All of it describes
    the stored images, before any augmentation. Bins that a ``BalancedOrder`` evens out count as
    they are stored.

    Returns:
        None for a stream, which has no index.
    """
    if isinstance(dataset, IterableDataset):
        return None
    if isinstance(dataset, CachedTokenDataset):
        return dataset.training_range
    is_mixture = isinstance(dataset, MixtureDataset)
    parts, shares = (dataset.datasets, dataset.weights) if is_mixture else ((dataset,), (1.0,))
    sizes = [min(len(part), _MAX_ROWS) for part in parts]
    weights = np.repeat([share / size for share, size in zip(shares, sizes, strict=True)], sizes)

    def column(name: str) -> np.ndarray:
        return np.concatenate([_spread(part.column(name)) for part in parts])  # (sum of sizes,)

    return {
        "datasets": [
            {
                "name": part.metainfo["name"],
                "split": part.metainfo["split"],
                "num_hands": len(part),
                "share": float(share),
            }
            for part, share in zip(parts, shares, strict=True)
        ],
        "percentiles": {name: _percentiles(column(name), weights) for name in COLUMNS},
        "right_share": float(np.average(column("is_right"), weights=weights)),
        "camera_share": float(np.average(column("camera_valid"), weights=weights)),
    }


def format_range(trained: Mapping[str, Any]) -> list[str]:
    """Return lines for people: what was drawn, and the middle 98 % of each column."""
    names = ", ".join(f"{part['name']} {part['share']:.0%}" for part in trained["datasets"])
    lines = [f"data sets   {names}"]
    for name, unit in zip(COLUMNS, ("px", "m", "px"), strict=True):
        values = trained["percentiles"][name]
        if values is not None:
            low, median, high = (values[PERCENTILES.index(p)] for p in (1, 50, 99))
            lines.append(f"{name:11} {low:.4g} to {high:.4g} {unit}, median {median:.4g}")
    return lines


def _spread(values: np.ndarray) -> np.ndarray:
    """Return values at even distances, at most ``_MAX_ROWS``."""
    size = min(len(values), _MAX_ROWS)
    return values[np.linspace(0, len(values) - 1, size).round().astype(np.int64)]


def _percentiles(values: np.ndarray, weights: np.ndarray) -> Sequence[float] | None:
    """Return the weighted ``PERCENTILES`` of the values (N,) that are known."""
    known = np.isfinite(values)
    if not known.any():
        return None
    order = np.argsort(values[known], kind="stable")
    values, weights = values[known][order], weights[known][order]
    share = weights.cumsum() / weights.sum()
    rounding = 1e-9  # of the sum of shares
    places = np.searchsorted(share, np.array(PERCENTILES) / 100 - rounding)
    return values[places.clip(max=len(values) - 1)].astype(float).tolist()
