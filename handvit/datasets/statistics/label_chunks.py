"""Read the labels of a data set from front to back without opening its tars."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from handvit.datasets.shards.dataset_info import ShardEntry
from handvit.datasets.shards.shard_index import REBUILD, ShardError, labels_path
from handvit.datasets.shards.shard_reader import ShardReader

#: Rows in a chunk: some 15 MB.
CHUNK_SIZE = 8192
_SEED = 0


def spaced_rows(num_rows: int, num_wanted: int | None) -> np.ndarray:
    """Spread rows over a data set, (min(num_rows, num_wanted),) increasing, always the same.

    One at random of each of equal parts: at equal steps, all would be of one side or camera where
    those take turns.
    """
    if num_wanted is None or num_wanted >= num_rows:
        return np.arange(num_rows)
    starts = np.arange(num_wanted + 1) * num_rows // num_wanted
    return np.random.default_rng(_SEED).integers(starts[:-1], starts[1:])


def label_chunks(reader: ShardReader, rows: np.ndarray) -> Iterator[np.ndarray]:
    """Yield rows of the shards' ``label_table``, as many at a time as fit into memory.

    Args:
        rows: (N,) of the data set, increasing.

    Raises:
        ShardError: labels are not readable, or of other samples; names the file and the fix.
    """
    first = 0
    for entry in reader.info.shards:
        start, stop = np.searchsorted(rows, [first, first + entry.num_samples])
        labels = _map_labels(reader.root, entry)
        for place in range(start, stop, CHUNK_SIZE):
            yield labels[rows[place : min(place + CHUNK_SIZE, stop)] - first]
        first += entry.num_samples


def _map_labels(root: Path, entry: ShardEntry) -> np.ndarray:
    path = labels_path(root / entry.file)
    try:
        labels = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise ShardError(f"{path}: not readable ({error}); {REBUILD}") from error
    if labels.shape != (entry.num_samples,) or not labels.dtype.names:
        raise ShardError(
            f"{path}: holds labels of the shape {labels.shape} for {entry.num_samples} samples;"
            f" {REBUILD}"
        )
    return labels
