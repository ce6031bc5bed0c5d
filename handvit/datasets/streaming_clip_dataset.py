"""Serve clips from an object store, by reading shards from front to back."""

import random
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import count, islice
from typing import Any, NamedTuple

import numpy as np
import torch
from mmengine.dist import get_dist_info
from torch.utils.data import IterableDataset, get_worker_info
from webdataset.filters import shuffle

from handvit.datasets.clip_buffer import ClipBuffer, EncodedClip
from handvit.datasets.hand_clip_dataset import HandClip
from handvit.datasets.shards.bad_samples import BadSamples
from handvit.datasets.shards.image_codec import decode_image
from handvit.datasets.shards.shard_index import ShardError
from handvit.datasets.shards.shard_stream import ShardStream
from handvit.registry import DATASETS

#: What an endless stream gives as its length: MMEngine asks for one.
ENDLESS = 1 << 40


class _Place(NamedTuple):
    """Say which of the lanes that share the shards a worker process reads, and from where."""

    lane: int
    num_lanes: int
    num_seen: int  # clips to pass over


@DATASETS.register_module()
class StreamingClipDataset(IterableDataset):
    """Give the clips of ``HandClipDataset`` without random access.

    Every epoch the shards are put in random order and dealt out to the lanes, one for each worker
    of each process; each lane reads its shards and draws from a buffer of clips. All lanes together
    give every sample once an epoch, in an order that depends on the seed and on the number of
    processes and workers alone.

    A track that continues in the next shard begins anew there (``frame_valid = False``), which an
    indexed data set would know better. Filters, balancing, mixtures and full clips need the index.

    In a config: ``sampler=None``, and ``num_workers`` such that no lane stays without a shard.

    Resuming at an iteration gives the batches of the uninterrupted run, provided that the numbers
    of processes and workers, the batch size and ``clip_length`` are the same and no sample is
    unreadable. Epochs are skipped by counting; within an epoch the clips seen are read again but
    not decoded.

    Args:
        url: see ``ShardStream``.
        clip_length, stride, max_frame_gap: see ``HandClipDataset``; frames of a clip must be near
            each other in the tar, see ``ClipBuffer``.
        shuffle_buffer: clips (their images encoded) from which the next one is drawn; 1 keeps the
            order of the tar.
        num_epochs: ``None`` to go on for ever, for training; 1 for an evaluation.
        max_bad_samples: how many different samples may be unreadable or missing (in each worker
            process); they are logged and skipped. After an unreadable record the tracks of its
            shard begin anew.
    """

    def __init__(
        self,
        url: str,
        *,
        clip_length: int = 1,
        stride: int = 1,
        max_frame_gap: float = 0.5,
        shuffle_buffer: int = 1000,
        num_epochs: int | None = None,
        seed: int = 0,
        max_bad_samples: int = 0,
    ) -> None:
        at_least_one = {
            "clip_length": clip_length,
            "stride": stride,
            "shuffle_buffer": shuffle_buffer,
            "num_epochs": 1 if num_epochs is None else num_epochs,
        }
        for name, value in at_least_one.items():
            if value < 1:
                raise ValueError(f"{name}: {value} must be at least 1")
        self.stream = ShardStream(url)
        self.clip_length = clip_length
        self.num_epochs = num_epochs
        self.seed = seed
        self.shuffle_buffer = shuffle_buffer
        self._new_buffer = partial(
            ClipBuffer, clip_length=clip_length, stride=stride, max_frame_gap=max_frame_gap
        )
        self._bad = BadSamples(max_bad_samples)
        self._rank, self._world_size = get_dist_info()
        # Shared with worker processes, which may be running when a resumed loop sets it.
        self._start = torch.tensor([0, 1]).share_memory_()  # batches, batch size

    @property
    def metainfo(self) -> dict[str, Any]:
        """What the data set says of itself."""
        return self.stream.info.metainfo

    def __len__(self) -> int:
        """Return the number of clips of all processes together, ``ENDLESS`` without an end."""
        if self.num_epochs is None:
            return ENDLESS
        return self.num_epochs * self.stream.info.num_samples

    def set_start(self, num_batches: int, *, batch_size: int) -> None:
        """Begin later iterations after the first ``num_batches`` batches of this process."""
        self._start.copy_(torch.tensor([num_batches, batch_size]))

    def __iter__(self) -> Iterator[HandClip]:
        """Yield the clips of this process and worker.

        Raises:
            ShardError: more is unreadable than ``max_bad_samples``; names shard and place.
            ValueError: there are fewer shards than workers.
        """
        lane, num_lanes, num_seen = self._place()
        counts = np.array([shard.num_samples for shard in self.stream.info.shards])
        for epoch in count() if self.num_epochs is None else range(self.num_epochs):
            order = np.random.default_rng([self.seed, epoch]).permutation(len(counts))
            shards = order[lane::num_lanes].tolist()
            size = int(counts[shards].sum())
            if num_seen < size:
                rng = random.Random(f"{self.seed}/{epoch}/{lane}")
                yield from self._epoch(shards, rng, num_seen)
            num_seen = max(num_seen - size, 0)

    def _place(self) -> _Place:
        info = get_worker_info()
        worker, num_workers = (0, 1) if info is None else (info.id, info.num_workers)
        num_lanes, num_shards = num_workers * self._world_size, len(self.stream.info.shards)
        if self.num_epochs is None and num_lanes > num_shards:
            raise ValueError(
                f"num_workers: {num_workers} in {self._world_size} processes, but"
                f" {self.stream.info.name} has only {num_shards} shards; use fewer workers, or"
                " write smaller shards"
            )
        # The loader takes batch i from worker i modulo num_workers, and begins anew with worker 0:
        # so each worker goes on with what another one has begun.
        num_batches, batch_size = self._start.tolist()
        worker = (worker + num_batches) % num_workers
        batches_seen = -((worker - num_batches) // num_workers)
        return _Place(self._rank * num_workers + worker, num_lanes, batches_seen * batch_size)

    def _epoch(
        self, shards: Sequence[int], rng: random.Random, num_seen: int
    ) -> Iterator[HandClip]:
        """Yield the clips of one lane in one epoch, but for the first ``num_seen``."""
        drawn = shuffle(self.shuffle_buffer, initial=self.shuffle_buffer, rng=rng)
        num_decoded = 0
        for place, clip in islice(drawn(self._clips(shards)), num_seen, None):
            images = self._decode(place, clip)
            if images is None:
                continue
            num_decoded += 1
            yield HandClip(clip.samples, images, clip.frame_valid)
        if not num_decoded and not num_seen:
            names = [self.stream.info.shards[shard].file for shard in shards]
            raise ShardError(f"{self.stream.info.name}: nothing is readable in shards {names}")

    def _decode(self, place: tuple[int, int], clip: EncodedClip) -> list[np.ndarray] | None:
        """Return the images of a clip, ``None`` if one is unreadable and that is allowed."""
        try:
            images = []
            for sample in clip.samples:
                images.append(decode_image(sample.image, sample.image_size))
        except ValueError as error:
            where = f"{self.stream.describe(*place)}: {sample.sample_id!r}"
            self._bad.add([sample.sample_id], ShardError(f"{where}: {error}"))
            return None
        return images

    def _clips(self, shards: Sequence[int]) -> Iterator[tuple[tuple[int, int], EncodedClip]]:
        """Yield each clip of some shards behind the (shard, number) of its last frame."""
        for shard in shards:
            buffer, next_number = self._new_buffer(), 0
            for number, sample in self.stream.samples(shard, self._bad):
                if number != next_number:  # a frame is missing
                    buffer = self._new_buffer()
                next_number = number + 1
                try:
                    clip = buffer.add(sample)
                except ValueError as error:
                    raise ShardError(f"{self.stream.describe(shard, number)}: {error}") from error
                yield (shard, number), clip
