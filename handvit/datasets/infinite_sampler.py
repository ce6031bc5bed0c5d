"""Draw training samples for ever, in an order that can be resumed at any place."""

from collections.abc import Iterator, Sequence

import numpy as np
from mmengine.dist import get_dist_info, sync_random_seed
from torch.utils.data import Dataset, Sampler

from handvit.datasets.draw_orders import DrawOrder, ShuffledOrder
from handvit.datasets.mixture_dataset import MixtureDataset
from handvit.registry import DATA_SAMPLERS

_INTERLEAVE, _WALK = 0, 1  # independent random streams


@DATA_SAMPLERS.register_module()
class InfiniteMixtureSampler(Sampler):
    """Interleave the parts of a mixture by weight and draw from each in the same kind of order.

    The index at global position n is a function of (seed, n) alone: rank r of W takes the positions
    r, r + W, r + 2W, ... Every chunk of positions holds the same number of samples, at least one,
    of each walk of each part, in random order; a walk begins its next epoch when all of it was
    drawn.

    Args:
        dataset: a ``MixtureDataset``, or any other data set as its only part.
        seed: the same in all processes; ``None`` draws one and shares it.
        order: config of a draw order (or a built one), see ``draw_orders``; ``None`` shuffles.
        chunk_size: positions in which the shares of the walks are exact to one sample.
    """

    def __init__(
        self,
        dataset: Dataset,
        *,
        seed: int | None = None,
        order: dict | DrawOrder | None = None,
        chunk_size: int = 10_000,
    ) -> None:
        is_mixture = isinstance(dataset, MixtureDataset)
        parts, weights = (dataset.datasets, dataset.weights) if is_mixture else ((dataset,), (1.0,))
        walks = [_build_order(order).walks(part) for part in parts]
        self.rank, self.world_size = get_dist_info()
        self.seed = sync_random_seed() if seed is None else seed
        self.chunk_size = chunk_size
        self._length = sum(len(part) for part in parts)
        self._walks = [walk for of_part in walks for walk in of_part]
        numbers = [len(of_part) for of_part in walks]
        self._first_index = np.repeat(_starts([len(part) for part in parts]), numbers)
        shares = np.repeat(weights, numbers) * [walk.share for walk in self._walks]
        self.counts = _split_chunk(shares, chunk_size)
        self._start = 0
        self._epochs: dict[int, tuple[int, np.ndarray]] = {}  # walk -> number and order of an epoch

    def __len__(self) -> int:
        """Return the number of samples in the data set; iteration does not stop there."""
        return self._length

    def set_start(self, num_batches: int, *, batch_size: int) -> None:
        """Begin later iterations after the first ``num_batches`` batches of this process."""
        self._start = num_batches * batch_size

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
        indices = np.concatenate(
            [
                self._first_index[walk] + self._draws(walk, number * count, count)
                for walk, count in enumerate(self.counts)
            ]
        )
        walks = np.repeat(np.arange(len(self.counts)), self.counts)
        order = np.random.default_rng([self.seed, _INTERLEAVE, number]).permutation(walks)
        # The stable sort finds the places of each walk, so every walk keeps its own order.
        places = np.argsort(order, kind="stable")
        chunk = np.empty(self.chunk_size, np.int64)
        chunk[places] = indices
        return chunk

    def _draws(self, walk: int, start: int, count: int) -> np.ndarray:
        """Return draws ``start`` to ``start + count`` of one walk, (count,) within its part."""
        size = self._walks[walk].size
        pieces = []
        while count > 0:
            epoch, offset = divmod(start, size)
            piece = self._epoch(walk, epoch)[offset : offset + count]
            pieces.append(piece)
            start, count = start + len(piece), count - len(piece)
        return np.concatenate(pieces)

    def _epoch(self, walk: int, epoch: int) -> np.ndarray:
        """Return the order of one walk in one of its epochs, (size,)."""
        if self._epochs.get(walk, (-1, None))[0] != epoch:
            rng = np.random.default_rng([self.seed, _WALK, walk, epoch])
            self._epochs[walk] = (epoch, self._walks[walk].epoch(rng))
        return self._epochs[walk][1]


def _build_order(order: dict | DrawOrder | None) -> DrawOrder:
    if order is None:
        return ShuffledOrder()
    return DATA_SAMPLERS.build(order) if isinstance(order, dict) else order


def _starts(sizes: Sequence[int]) -> np.ndarray:
    return np.cumsum(sizes) - sizes


def _split_chunk(shares: np.ndarray, chunk_size: int) -> tuple[int, ...]:
    """Share out a chunk by largest remainders, with at least one draw for each walk."""
    if len(shares) > chunk_size:
        raise ValueError(
            f"chunk_size={chunk_size} has no draw for each of {len(shares)} walks (one for each"
            " bin of each data set); raise it"
        )
    exact = shares * chunk_size
    counts = np.floor(exact + 1e-9).astype(int)
    largest = np.argsort(counts - exact, kind="stable")[: chunk_size - counts.sum()]
    counts[largest] += 1
    while not counts.all():
        counts[counts.argmin()] += 1
        counts[counts.argmax()] -= 1
    return tuple(int(count) for count in counts)
