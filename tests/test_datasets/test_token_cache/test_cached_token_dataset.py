import pickle

import pytest
from torch.utils.data import DataLoader

from handvit.datasets import InfiniteMixtureSampler
from handvit.datasets.draw_orders import StoredOrder
from handvit.datasets.token_cache import CachedTokenDataset, token_collate
from handvit.datasets.training_range import measure_range


def values(crops) -> list[int]:
    return crops.tokens.all[:, 0, 0, 0].int().tolist()


def test_clips_come_by_number_across_parts(cache, info):
    dataset = CachedTokenDataset(cache)
    assert len(dataset) == info.num_clips
    crops = token_collate(dataset.__getitems__([0, 31, 15, 16]))
    assert values(crops) == [0, 31, 15, 16]
    assert crops.tokens.patches.shape == (4, 3, 4, 6) and crops.tokens.prefix.shape == (4, 3, 1, 6)
    assert crops.labels.frame_time.shape == (4, 3)
    assert values(token_collate(dataset[-1])) == [31]
    with pytest.raises(IndexError):
        dataset[32]


@pytest.mark.parametrize("num_workers", [0, 2])
def test_a_loader_gives_them_in_stored_order(cache, num_workers):
    dataset = CachedTokenDataset(cache)
    sampler = InfiniteMixtureSampler(dataset, seed=0, order=StoredOrder(), chunk_size=32)
    loader = DataLoader(
        dataset, 4, sampler=sampler, collate_fn=token_collate, num_workers=num_workers
    )
    batches = iter(loader)
    found = [value for _ in range(8) for value in values(next(batches))]
    assert found == list(range(32))


def test_it_speaks_for_the_data_it_was_drawn_from(cache, info):
    dataset = CachedTokenDataset(cache)
    assert dataset.metainfo["name"] == "tiny"
    assert measure_range(dataset) is info.training_range


def test_it_survives_pickling(cache):
    again = pickle.loads(pickle.dumps(CachedTokenDataset(cache)))
    assert values(token_collate(again[7])) == [7]


def test_a_missing_part_is_told(cache):
    next(cache.glob("clips-*.npz")).unlink()
    with pytest.raises(ValueError, match=r"holds 16 of 32 clips; write it anew"):
        CachedTokenDataset(cache)
