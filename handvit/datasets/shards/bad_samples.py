"""Bear with a few unreadable samples, and with no more."""

import logging
from collections.abc import Hashable, Iterable

from mmengine.logging import print_log

from handvit.datasets.shards.shard_index import ShardError


class BadSamples:
    """Count different unreadable samples, log each report, and refuse more than a limit.

    Args:
        limit: how many samples may be unreadable.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._seen: set[Hashable] = set()

    def __contains__(self, sample: Hashable) -> bool:
        return sample in self._seen

    def __len__(self) -> int:
        return len(self._seen)

    def add(self, samples: Iterable[Hashable], error: ShardError) -> None:
        """Note samples that one error made unreadable; those noted before count once.

        Raises:
            ShardError: ``error`` itself where nothing is allowed, or that the limit is passed.
        """
        new = set(samples) - self._seen
        if len(self._seen) + len(new) > self._limit:
            if not self._limit:
                raise error
            raise ShardError(
                f"{error} (more than max_bad_samples={self._limit} unreadable samples)"
            ) from error
        self._seen |= new
        if new:
            counts = f"{len(new)} skipped, {len(self._seen)} of {self._limit} allowed"
            print_log(f"{counts}: {error}", logger="current", level=logging.WARNING)
