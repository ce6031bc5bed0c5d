from itertools import islice

import numpy as np
import pytest
from mmengine.registry import DefaultScope
from mmengine.runner import Runner
from torch.utils.data import DataLoader

from handvit.datasets import infinite_sampler
from handvit.datasets.hand_clip_dataset import HandClipDataset
from handvit.datasets.hand_collate import hand_collate
from handvit.datasets.infinite_sampler import InfiniteMixtureSampler
from handvit.datasets.mixture_dataset import MixtureDataset


@pytest.fixture(scope="module")
def mixture(make_shards):
    """Parts of 12, 24 and 5 frames with shares 0.5, 0.3 and 0.2."""
    parts = [
        HandClipDataset(make_shards(num_tracks=2)),
        HandClipDataset(make_shards(num_tracks=4)),
        HandClipDataset(make_shards(num_tracks=1), indices=5),
    ]
    return MixtureDataset(parts, weights=[5, 3, 2])


def _draw(sampler, count):
    return list(islice(sampler, count))


def _part(mixture, indices):
    return np.searchsorted(np.cumsum(mixture.sizes), indices, side="right")


def test_order_depends_on_the_seed_alone(mixture):
    first = _draw(InfiniteMixtureSampler(mixture, seed=3), 300)
    sampler = InfiniteMixtureSampler(mixture, seed=3)
    assert _draw(sampler, 300) == first
    assert _draw(sampler, 300) == first  # iterating changes nothing
    assert _draw(InfiniteMixtureSampler(mixture, seed=4), 300) != first


@pytest.mark.parametrize("start", [0, 1, 19, 20, 137])
def test_start_equals_skipping(mixture, start):
    whole = _draw(InfiniteMixtureSampler(mixture, seed=0, chunk_size=20), 200)
    sampler = InfiniteMixtureSampler(mixture, seed=0, chunk_size=20)
    sampler.set_start(start, batch_size=1)
    assert _draw(sampler, 60) == whole[start : start + 60]


@pytest.mark.parametrize("start", [0, 7])
def test_ranks_share_the_order_of_one_process(mixture, monkeypatch, start):
    whole = _draw(InfiniteMixtureSampler(mixture, seed=0, chunk_size=10), 300)
    for rank in range(3):
        monkeypatch.setattr(infinite_sampler, "get_dist_info", lambda rank=rank: (rank, 3))
        sampler = InfiniteMixtureSampler(mixture, seed=0, chunk_size=10)
        sampler.set_start(start, batch_size=1)
        assert _draw(sampler, 90) == whole[3 * start + rank :: 3][:90]


@pytest.mark.parametrize(("chunk_size", "counts"), [(10, (5, 3, 2)), (1000, (500, 300, 200))])
def test_shares_are_exact_in_every_chunk(mixture, chunk_size, counts):
    indices = _draw(InfiniteMixtureSampler(mixture, seed=1, chunk_size=chunk_size), 3 * chunk_size)
    parts = _part(mixture, indices).reshape(3, chunk_size)
    for chunk in parts:
        assert np.bincount(chunk).tolist() == list(counts)
    assert not np.array_equal(parts[0], parts[1])  # interleaved anew


def test_shares_that_do_not_divide_the_chunk(mixture):
    mixture = MixtureDataset(mixture.datasets, weights=[1, 1, 1])
    assert InfiniteMixtureSampler(mixture, seed=0, chunk_size=100).counts == (34, 33, 33)
    with pytest.raises(ValueError, match="chunk_size=2"):
        InfiniteMixtureSampler(mixture, seed=0, chunk_size=2)


def test_every_part_is_walked_without_repetition(mixture):
    indices = np.array(_draw(InfiniteMixtureSampler(mixture, seed=2, chunk_size=10), 1200))
    first_index = 0
    for part, size in enumerate(mixture.sizes):
        walk = indices[_part(mixture, indices) == part] - first_index
        epochs = walk[: len(walk) // size * size].reshape(-1, size)
        assert len(epochs) > 10
        assert (np.sort(epochs, axis=1) == np.arange(size)).all()
        assert len(np.unique(epochs, axis=0)) > len(epochs) // 2  # shuffled anew
        first_index += size


def test_plain_dataset_and_no_shuffling(shards_root):
    dataset = HandClipDataset(shards_root)
    assert len(InfiniteMixtureSampler(dataset, seed=0)) == 24
    in_order = _draw(InfiniteMixtureSampler(dataset, seed=0, order={"type": "StoredOrder"}), 50)
    assert in_order == [index % 24 for index in range(50)]
    shuffled = _draw(InfiniteMixtureSampler(dataset, seed=0), 48)
    assert sorted(shuffled[:24]) == sorted(shuffled[24:]) == list(range(24))
    assert shuffled[:24] != shuffled[24:] != list(range(24))
    assert _draw(InfiniteMixtureSampler(dataset, seed=1), 48) != shuffled


def test_seed_is_drawn_when_none_is_given(shards_root):
    dataset = HandClipDataset(shards_root)
    np.random.seed(0)
    first, second = (InfiniteMixtureSampler(dataset) for _ in range(2))
    assert first.seed != second.seed


def test_runner_builds_the_loader_from_a_config(shards_root):
    loader_config = {
        "batch_size": 4,
        "num_workers": 0,
        "dataset": {"type": "HandClipDataset", "data_root": str(shards_root)},
        "sampler": {"type": "InfiniteMixtureSampler"},
        "collate_fn": {"type": "handvit.hand_collate"},
    }
    with DefaultScope.overwrite_default_scope("handvit"):
        loader = Runner.build_dataloader(loader_config, seed=5)
    assert loader.sampler.seed == 5
    loader.sampler.set_start(8, batch_size=1)
    batch = next(iter(loader))
    expected = _draw(InfiniteMixtureSampler(loader.dataset, seed=5), 12)[8:]
    ids = [loader.dataset[index].samples[0].sample_id for index in expected]
    assert batch.labels.sample_id == ids


ORDERS = [
    {"type": "StoredOrder"},
    {"type": "ShuffledOrder"},
    {"type": "BalancedOrder", "column": "root_depth", "edges": [0.5, 0.55, 0.6]},
    {"type": "OneClipPerTrack"},
]


@pytest.mark.parametrize("order", ORDERS, ids=lambda order: order["type"])
def test_every_order_is_a_function_of_seed_and_position(mixture, monkeypatch, order):
    arguments = {"seed": 6, "order": order, "chunk_size": 40}
    whole = _draw(InfiniteMixtureSampler(mixture, **arguments), 600)
    assert _draw(InfiniteMixtureSampler(mixture, **arguments), 600) == whole
    for rank in range(3):
        monkeypatch.setattr(infinite_sampler, "get_dist_info", lambda rank=rank: (rank, 3))
        sampler = InfiniteMixtureSampler(mixture, **arguments)
        for start in (101, 0, 13):  # backwards too: nothing but the start counts
            sampler.set_start(start, batch_size=1)
            assert _draw(sampler, 60) == whole[3 * start + rank :: 3][:60]


@pytest.mark.parametrize("order", ORDERS, ids=lambda order: order["type"])
def test_starting_late_costs_no_more_than_starting(mixture, monkeypatch, order):
    """Counted in the epochs of walks that are laid out, the only work that grows with anything."""
    sampler = InfiniteMixtureSampler(mixture, seed=0, order=order, chunk_size=40)
    sampler.set_start(10**12, batch_size=1)
    laid_out = []
    lay_out = InfiniteMixtureSampler._epoch
    monkeypatch.setattr(
        InfiniteMixtureSampler,
        "_epoch",
        lambda self, walk, epoch: (laid_out.append(epoch), lay_out(self, walk, epoch))[1],
    )
    _draw(sampler, 40)
    assert 0 < len(laid_out) <= 2 * 40 + len(sampler.counts)


def test_balanced_order_draws_equally_from_the_bins_of_each_part(mixture):
    edges = [0.5, 0.55, 0.6]
    order = {"type": "BalancedOrder", "column": "root_depth", "edges": edges}
    sampler = InfiniteMixtureSampler(mixture, seed=0, order=order, chunk_size=400)
    indices = np.array(_draw(sampler, 1200))
    bins = np.digitize(mixture.columns["root_depth"], edges)
    for part, drawn in enumerate((600, 360, 240)):
        counts = np.bincount(bins[indices[_part(mixture, indices) == part]])
        filled = counts[np.unique(bins[mixture.part == part])]
        assert filled.sum() == counts.sum() == drawn
        assert np.ptp(filled) <= 3  # a sample a chunk, where the share is no whole number
    for part in range(3):  # no sample of a bin repeats before all others of the bin came
        for number in np.unique(bins):
            members = np.flatnonzero((bins == number) & (mixture.part == part))
            walk = indices[np.isin(indices, members)]
            epochs = walk[: len(walk) // max(len(members), 1) * len(members)]
            assert (np.sort(epochs.reshape(-1, max(len(members), 1))) == members).all()


def test_one_clip_per_track_and_epoch(mixture):
    order = {"type": "OneClipPerTrack"}
    indices = np.array(_draw(InfiniteMixtureSampler(mixture, seed=0, order=order), 1000))
    assert len(np.unique(indices)) == len(mixture)  # drawn anew, so that all come in time
    tracks = mixture.columns["track"][indices]
    for part, num_tracks in enumerate((2, 4, 1)):
        walk = tracks[_part(mixture, indices) == part]
        epochs = np.sort(walk[: len(walk) // num_tracks * num_tracks].reshape(-1, num_tracks))
        assert (epochs == np.arange(num_tracks)).all()


def test_rare_parts_get_one_draw_a_chunk(mixture):
    rare = MixtureDataset(mixture.datasets, weights=[1, 1e-6, 1])
    assert InfiniteMixtureSampler(rare, seed=0, chunk_size=10).counts == (4, 1, 5)


def test_more_bins_than_draws_in_a_chunk(mixture):
    order = {"type": "BalancedOrder", "column": "root_depth", "edges": [0.5, 0.55, 0.6]}
    with pytest.raises(ValueError, match=r"chunk_size=3 has no draw for each of \d+ walks"):
        InfiniteMixtureSampler(mixture, seed=0, order=order, chunk_size=3)


@pytest.mark.parametrize("order", ORDERS, ids=lambda order: order["type"])
def test_a_resumed_loader_reads_what_follows_and_nothing_else(shards_root, monkeypatch, order):
    dataset, reads = HandClipDataset(shards_root), []
    read = dataset.reader.read_stored
    monkeypatch.setattr(
        dataset.reader, "read_stored", lambda row: (reads.append(row), read(row))[1]
    )

    def batches(start, count):
        reads.clear()
        sampler = InfiniteMixtureSampler(dataset, seed=1, order=order)
        sampler.set_start(start, batch_size=4)
        loader = DataLoader(dataset, batch_size=4, sampler=sampler, collate_fn=hand_collate)
        return list(islice(loader, count)), list(reads)

    whole, reads_of_whole = batches(0, 12)
    again, reads_of_again = batches(7, 5)
    assert reads_of_again == reads_of_whole[28:] and len(reads_of_whole) == 48
    for expected, actual in zip(whole[7:], again, strict=True):
        assert actual.labels.sample_id == expected.labels.sample_id
        assert (actual.image == expected.image).all()
        assert (actual.labels.keypoints_cam == expected.labels.keypoints_cam).all()
