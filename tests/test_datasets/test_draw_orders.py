import numpy as np
import pytest

from handvit.datasets.draw_orders import BalancedOrder, OneClipPerTrack, ShuffledOrder, StoredOrder
from handvit.datasets.hand_clip_dataset import HandClipDataset
from handvit.registry import DATA_SAMPLERS


class Table:
    """Stand in for a data set: nothing but columns."""

    def __init__(self, **columns):
        self._columns = {name: np.asarray(values) for name, values in columns.items()}

    def __len__(self):
        return len(next(iter(self._columns.values())))

    def column(self, name):
        return self._columns[name]


def _epoch(walk, seed=0):
    return walk.epoch(np.random.default_rng(seed)).tolist()


def test_stored_and_shuffled():
    table = Table(track=np.zeros(50))
    (stored,), (shuffled,) = StoredOrder().walks(table), ShuffledOrder().walks(table)
    assert stored.size == shuffled.size == 50
    assert _epoch(stored) == list(range(50))
    assert sorted(_epoch(shuffled)) == list(range(50))
    assert _epoch(shuffled) != _epoch(stored)
    assert _epoch(shuffled) == _epoch(shuffled) != _epoch(shuffled, seed=1)


def test_balanced_order_has_one_walk_a_bin():
    depth = np.array([0.1, 0.9, np.nan, 0.3, 0.2, 0.31, np.nan, 0.299, 5.0], np.float32)
    order = BalancedOrder(column="root_depth", edges=[0.2, 0.3, 0.5, 0.8])
    walks = order.walks(Table(root_depth=depth))
    # [-, 0.2) [0.2, 0.3) [0.3, 0.5) [0.8, -) NaN; nothing lies between 0.5 and 0.8
    assert [sorted(_epoch(walk)) for walk in walks] == [[0], [4, 7], [3, 5], [1, 8], [2, 6]]
    assert [walk.size for walk in walks] == [1, 2, 2, 2, 2]


def test_bins_have_equal_shares_but_none_is_boosted_beyond_the_limit():
    table = Table(root_depth=np.repeat([0.1, 0.4, 0.9], [989, 10, 1]))
    edges = [0.3, 0.6]
    equal = BalancedOrder(column="root_depth", edges=edges, max_boost=1000).walks(table)
    assert [walk.share for walk in equal] == pytest.approx([1 / 3] * 3)
    limited = BalancedOrder(column="root_depth", edges=edges, max_boost=10).walks(table)
    assert [walk.share for walk in limited] == pytest.approx([0.89, 0.1, 0.01])
    natural = BalancedOrder(column="root_depth", edges=edges, max_boost=1).walks(table)
    assert [walk.share for walk in natural] == pytest.approx([0.989, 0.01, 0.001])
    with pytest.raises(ValueError, match=r"max_boost 0\.5 must be at least 1"):
        BalancedOrder(column="root_depth", edges=edges, max_boost=0.5)


def test_balanced_order_shuffles_its_bins():
    order = BalancedOrder(column="bbox_size", edges=[10.0])
    _, walk = order.walks(Table(bbox_size=np.arange(60.0)))
    assert sorted(_epoch(walk)) == list(range(10, 60))
    assert _epoch(walk) == _epoch(walk) != _epoch(walk, seed=1)


@pytest.mark.parametrize("depth", [[np.nan, np.nan], [1.0, 2.0]])
def test_a_single_bin_is_no_bin(depth):
    (walk,) = BalancedOrder(column="root_depth", edges=[0.5]).walks(Table(root_depth=depth))
    assert sorted(_epoch(walk)) == [0, 1]


@pytest.mark.parametrize("edges", [[], [0.5, 0.5], [0.8, 0.5], [float("nan"), 1.0]])
def test_edges_must_ascend(edges):
    with pytest.raises(ValueError, match="must ascend"):
        BalancedOrder(column="root_depth", edges=edges)


def test_unknown_column_names_the_known_ones(shards_root):
    with pytest.raises(ValueError, match=r"column: 'depth' is not one of .*'root_depth'"):
        BalancedOrder(column="depth", edges=[0.5]).walks(HandClipDataset(shards_root))


def test_one_clip_per_track_draws_every_track_once():
    track = np.repeat([7, 3, 5], [4, 1, 20])[np.random.default_rng(0).permutation(25)]
    (walk,) = OneClipPerTrack().walks(Table(track=track))
    assert walk.size == 3
    epochs = np.array([_epoch(walk, seed) for seed in range(300)])
    assert (np.sort(track[epochs], axis=1) == [3, 5, 7]).all()
    counts = np.bincount(epochs.ravel(), minlength=25)
    assert (counts[track == 3] == 300).all()
    assert (abs(counts[track == 7] - 75) < 30).all()  # 4 sigma; every clip of a track, alike
    assert (abs(counts[track == 5] - 15) < 16).all()
    assert len({tuple(track[epoch]) for epoch in epochs}) == 6  # and the tracks in any order
    assert _epoch(walk) == _epoch(walk)


def test_built_from_configs(shards_root):
    """Wrists of the random tracks lie near 0.5 + 0.02 f metres, plus or minus 0.08."""
    dataset = HandClipDataset(shards_root, indices=[0, 7, 15, 23, 6])
    config = {"type": "BalancedOrder", "column": "root_depth", "edges": [0.55]}
    walks = DATA_SAMPLERS.build(config).walks(dataset)
    depths = [dataset.column("root_depth")[_epoch(walk)] for walk in walks]
    assert all((near < 0.55).all() for near in depths[:-1]) and (depths[-1] >= 0.55).all()
    assert sum(map(len, depths)) == 5
    (walk,) = DATA_SAMPLERS.build({"type": "OneClipPerTrack"}).walks(dataset)
    assert walk.size == 4  # tracks 0, 1 (twice), 2 and 3
