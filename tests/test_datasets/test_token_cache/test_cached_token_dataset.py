import pickle
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from handvit.datasets import HandClipDataset, InfiniteMixtureSampler
from handvit.datasets.draw_orders import BalancedOrder, StoredOrder
from handvit.datasets.token_cache import CachedTokenDataset, token_collate
from handvit.datasets.token_cache.token_cache_writer import PartWriter
from handvit.datasets.training_range import measure_range


def numbers(crops) -> list[list[int]]:
    """What the tokens of all frames say, see ``number_of`` in conftest.py."""
    return crops.tokens.all[:, :, 0, 0].int().tolist()


def expected_numbers(dataset, indices) -> list[list[int]]:
    """The same of the clips of the data set."""
    found = []
    for index in indices:
        ids = [sample.sample_id.split("/") for sample in dataset[index].samples]
        tracks = [2 * int(x[1].removeprefix("sequence")) + (x[4] == "left") for x in ids]
        found.append([10 * track + int(x[3]) for track, x in zip(tracks, ids, strict=True)])
    return found


def test_clips_are_those_of_the_data_set(cache, dataset):
    cached = CachedTokenDataset(cache)
    assert len(cached) == 48
    indices = [0, 5, 23, 10, 11]
    for view in range(2):
        crops = token_collate(cached.__getitems__([24 * view + index for index in indices]))
        assert numbers(crops) == expected_numbers(dataset, indices)
        assert crops.tokens.patches.shape == (5, 3, 4, 6)
        assert crops.tokens.prefix.shape == (5, 3, 1, 6)
        clips = [dataset[index] for index in indices]
        times = [[sample.frame_time for sample in clip.samples] for clip in clips]
        assert crops.labels.frame_time.tolist() == times
        valid = np.stack([clip.frame_valid for clip in clips])
        assert crops.labels.frame_valid.tolist() == valid.tolist()
        assert crops.labels.sample_id == [clip.samples[-1].sample_id for clip in clips]
    with pytest.raises(IndexError):
        cached[48]


def test_views_differ(cache):
    cached = CachedTokenDataset(cache)
    one, other = (token_collate([cached[index]]) for index in (7, 31))
    assert one.labels.sample_id == other.labels.sample_id
    assert not torch.equal(one.labels.focal, other.labels.focal)


def test_shorter_clips_can_be_had_and_longer_ones_are_refused(cache, shards_root):
    crops = token_collate(CachedTokenDataset(cache, clip_length=5, stride=1).__getitems__([5, 2]))
    dataset = HandClipDataset(shards_root, clip_length=5)
    assert numbers(crops) == expected_numbers(dataset, [5, 2])
    with pytest.raises(ValueError, match=r"clip_length=4 and stride=2 look 6 frames back, .* 4;"):
        CachedTokenDataset(cache, clip_length=4)


@pytest.mark.parametrize("num_workers", [0, 2])
def test_a_loader_gives_view_after_view_in_stored_order(cache, dataset, num_workers):
    cached = CachedTokenDataset(cache)
    sampler = InfiniteMixtureSampler(cached, seed=0, order=StoredOrder(), chunk_size=48)
    loader = DataLoader(
        cached, 4, sampler=sampler, collate_fn=token_collate, num_workers=num_workers
    )
    batches = iter(loader)
    found = [clip for _ in range(12) for clip in numbers(next(batches))]
    assert found == 2 * expected_numbers(dataset, range(24))


def test_samplers_may_balance_its_columns(cache):
    cached = CachedTokenDataset(cache)
    order = BalancedOrder(column="root_depth", edges=[0.55])
    draws = InfiniteMixtureSampler(cached, seed=0, order=order)
    depth = cached.datasets[0].column("root_depth")
    far = [depth[index] >= 0.55 for _, index in zip(range(1000), draws, strict=False)]
    assert abs(np.mean(far) - 0.5) < 0.05 < abs(np.mean(depth >= 0.55) - 0.5)


def test_it_stands_for_a_mixture(info, dataset, make, tmp_path):
    root = tmp_path / "cache"
    writers = [
        PartWriter(root, dataset, number=number, weight=weight, num_views=2)
        for number, weight in enumerate((3.0, 1.0))
    ]
    info = replace(info, parts=[writer.part for writer in writers])
    info.begin(root)
    for writer in writers:
        list(writer.write(make, seed=0, piece_length=8, num_workers=0))
    info.finish(root)
    cached = CachedTokenDataset(root)
    assert cached.weights == (0.75, 0.25) and len(cached) == 96
    draws = [i for _, i in zip(range(1000), InfiniteMixtureSampler(cached, seed=0), strict=False)]
    assert abs(np.mean(np.array(draws) < 48) - 0.75) < 0.03
    # Other parts have other random numbers.
    one, other = (token_collate([cached[index]]).labels.focal for index in (3, 51))
    assert not torch.equal(one, other)


def test_it_speaks_for_the_data_it_was_made_of(cache, info):
    cached = CachedTokenDataset(cache)
    assert cached.metainfo["name"] == "tiny" and cached.metainfo["hand_model"] == "openhand"
    assert measure_range(cached) is info.training_range


def test_it_survives_pickling(cache, dataset):
    again = pickle.loads(pickle.dumps(CachedTokenDataset(cache)))
    assert numbers(token_collate([again[7]])) == expected_numbers(dataset, [7])


def test_missing_files_are_told(cache):
    next((cache / "part00").glob("view*.npz")).unlink()
    with pytest.raises(ValueError, match=r"part00: 1 files are missing; write the cache anew"):
        CachedTokenDataset(cache)
