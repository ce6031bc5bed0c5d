"""Draw training samples for ever, in an order that can be resumed at any place."""

from collections.abc import Iterator, Sequence

import numpy as np
from mmengine.dist import get_dist_info, sync_random_seed
from torch.utils.data import Dataset, Sampler

from handvit.datasets.mixture_dataset import MixtureDataset
from handvit.registry import DATA_SAMPLERS

_INTERLEAVE, _WALK = 0, 1  # independent random streams


@DATA_SAMPLERS.register_module()
class InfiniteMixtureSampler(Sampler):
    """Interleave the parts of a mixture by weight and walk through each without repetition.

    The index at global position n is a function of (seed, n) alone: rank r of W takes the positions
    r, r + W, r + 2W, ... Every chunk of positions holds the same number of samples of each part, in
    random order; each part is shuffled anew every time all of it was drawn.

    Args:
        dataset: a ``MixtureDataset``, or any other data set as its only part.
        seed: the same in all processes; ``None`` draws one and shares it.
        shuffle: draw each part in random order.
        chunk_size: positions in which the shares of the parts are exact to one sample.
    """

    def __init__(
        self,
        dataset: Dataset,
        *,
        seed: int | None = None,
        shuffle: bool = True,
        chunk_size: int = 1000,
    ) -> None:
        is_mixture = isinstance(dataset, MixtureDataset)
        self.sizes = dataset.sizes if is_mixture else (len(dataset),)
        self.counts = _split_chunk(dataset.weights if is_mixture else (1.0,), chunk_size)
        self.rank, self.world_size = get_dist_info()
        self.seed = sync_random_seed() if seed is None else seed
        self.shuffle = shuffle
        self.chunk_size = chunk_size
        self._start = 0
        self._orders: dict[int, tuple[int, np.ndarray]] = {}  # part -> epoch and its order

    def __len__(self) -> int:
        """Return the number of samples in the data set; iteration does not stop there."""
        return sum(self.sizes)

    def set_start(self, num_drawn: int) -> None:
        """Begin later iterations after the first ``num_drawn`` samples of this process."""
        self._start = num_drawn

    def __iter__(self) -> Iterator[int]:
        position = self._start * self.world_size + self.rank
        number, chunk = -1, np.empty(0, np.int64)
        while True:
            if position // self.chunk_size != number:
                number = position // self.chunk_size
                chunk = self._chunk(number)
            yield int(chunk[position % self.chunk_size])
            position += self.world_size

    def _chunk(self, number: int) -> np.ndarray:
        """Return the indices of one chunk of positions, (chunk_size,)."""
        first_index = np.cumsum((0, *self.sizes[:-1]))
        indices = np.concatenate(
            [
                first_index[part] + self._walk(part, number * count, count)
                for part, count in enumerate(self.counts)
            ]
        )
        parts = np.repeat(np.arange(len(self.counts)), self.counts)
        order = np.random.default_rng([self.seed, _INTERLEAVE, number]).permutation(parts)
        # The stable sort finds the places of each part, so every part keeps its own order.
        places = np.argsort(order, kind="stable")
        chunk = np.empty(self.chunk_size, np.int64)
        chunk[places] = indices
        return chunk

    def _walk(self, part: int, start: int, count: int) -> np.ndarray:
        """Return draws ``start`` to ``start + count`` of one part, (count,) within the part."""
        size = self.sizes[part]
        pieces = []
        while count > 0:
            epoch, offset = divmod(start, size)
            piece = self._order(part, epoch)[offset : offset + count]
            pieces.append(piece)
            start, count = start + len(piece), count - len(piece)
        return np.concatenate(pieces)

    def _order(self, part: int, epoch: int) -> np.ndarray:
        """Return the order of one part in one of its epochs, (size,)."""
        if not self.shuffle:
            return np.arange(self.sizes[part])
        if self._orders.get(part, (-1, None))[0] != epoch:
            rng = np.random.default_rng([self.seed, _WALK, part, epoch])
            self._orders[part] = (epoch, rng.permutation(self.sizes[part]))
        return self._orders[part][1]


def _split_chunk(weights: Sequence[float], chunk_size: int) -> tuple[int, ...]:
    """Share out a chunk by largest remainders."""
    exact = np.asarray(weights) * chunk_size
    counts = np.floor(exact + 1e-9).astype(int)
    largest = np.argsort(counts - exact, kind="stable")[: chunk_size - counts.sum()]
    counts[largest] += 1
    if not counts.all():
        raise ValueError(
            f"weights: {[float(weight) for weight in weights]} leave a data set without a sample in"
            f" chunk_size={chunk_size}; raise the weight or the chunk_size"
        )
    return tuple(int(count) for count in counts)
