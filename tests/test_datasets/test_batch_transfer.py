import io
import os
import pickle
from itertools import islice
from multiprocessing.reduction import ForkingPickler

import pytest
import torch
from torch.utils.data import DataLoader, RandomSampler

from handvit.datasets import batch_transfer
from handvit.datasets.batch_memory import BatchMemory
from handvit.datasets.batch_transfer import batch_buffer
from handvit.datasets.hand_clip_dataset import HandClipDataset
from handvit.datasets.hand_collate import hand_collate


@pytest.fixture
def in_worker(monkeypatch):
    """Let this process be a worker, with memory of its own; it is the receiver too."""
    monkeypatch.setattr(batch_transfer, "get_worker_info", lambda: object())
    monkeypatch.setattr(batch_transfer, "_MEMORY", BatchMemory())


@pytest.fixture
def dataset(shards_root):
    return HandClipDataset(shards_root, clip_length=2)


def _tensors(batch):
    labels = batch.labels
    return [batch.image, batch.image_size, *labels[1:-2], *labels.mano, labels.mano_valid]


def _assert_equal(actual, expected):
    assert actual.labels.sample_id == expected.labels.sample_id
    for tensor, other in zip(_tensors(actual), _tensors(expected), strict=True):
        assert tensor.dtype == other.dtype and torch.equal(tensor, other)


def test_the_main_process_gets_plain_memory():
    assert batch_buffer(10).flags.owndata and not len(batch_transfer._MEMORY)


def test_systems_without_such_memory_get_plain_memory(in_worker, monkeypatch):
    monkeypatch.delattr(os, "memfd_create")
    assert batch_buffer(10).flags.owndata


def test_a_batch_arrives_whole_and_its_images_are_not_copied(in_worker, dataset):
    batch = hand_collate(dataset.__getitems__([0, 9]))
    before = batch.image.data_ptr()
    message = bytes(ForkingPickler.dumps(batch))
    assert len(message) < batch.image.numel() / 4
    assert batch.image.data_ptr() == before and not batch.image.is_shared(), "torch copies to share"
    received = pickle.loads(message)
    _assert_equal(received, batch)
    batch.image[0, 0, 0, 0, 0] += 1
    assert torch.equal(received.image, batch.image), "one memory"


def test_a_part_of_a_batch_arrives_too(in_worker, dataset):
    batch = hand_collate(dataset.__getitems__([0, 9]))
    part = batch._replace(image=batch.image[:, :1, :, 5:])
    _assert_equal(pickle.loads(bytes(ForkingPickler.dumps(part))), part)


def test_a_batch_in_other_memory_goes_the_ordinary_way(dataset):
    batch = hand_collate(dataset.__getitems__([0, 9]))
    _assert_equal(pickle.loads(bytes(ForkingPickler.dumps(batch))), batch)
    _assert_equal(pickle.load(io.BytesIO(pickle.dumps(batch))), batch)


@pytest.mark.parametrize("kept", [0, 12])
def test_workers_never_write_over_what_is_looked_at(dataset, kept):
    loader = DataLoader(
        dataset,
        batch_size=4,
        sampler=RandomSampler(dataset, replacement=True, num_samples=4 * 60),
        num_workers=2,
        collate_fn=hand_collate,
        multiprocessing_context="fork",
    )
    held = []
    for batch in islice(loader, 60):
        held = [(batch, batch.image.clone()), *held][: kept + 1]
        for other, image in held:
            assert torch.equal(other.image, image)
        expected = [dataset[_row(dataset, sample_id)] for sample_id in batch.labels.sample_id]
        assert torch.equal(batch.image, hand_collate(expected).image)


def _row(dataset, sample_id):
    _, sequence, _, frame, side = sample_id.split("/")
    return 12 * int(sequence.removeprefix("sequence")) + 6 * (side == "left") + int(frame)


def test_no_descriptor_stays_open(dataset):
    def drain():
        list(DataLoader(dataset, batch_size=4, num_workers=1, collate_fn=hand_collate))
        return len(os.listdir("/proc/self/fd"))

    counts = [drain() for _ in range(5)]
    assert counts[-1] - counts[0] < 4, "each batch of each epoch would leave one"
