import numpy as np
import pytest

from handvit.datasets import HandClipDataset, MixtureDataset, StreamingClipDataset
from handvit.datasets import training_range as module
from handvit.datasets.training_range import PERCENTILES, format_range, measure_range


@pytest.fixture
def pair(make_shards) -> list[HandClipDataset]:
    sizes = {"few": 2, "many": 6}
    roots = [make_shards(name=name, num_tracks=size) for name, size in sizes.items()]
    return [HandClipDataset(root) for root in roots]


def test_one_data_set_has_the_percentiles_of_its_index(shards_root):
    dataset = HandClipDataset(shards_root)
    found = measure_range(dataset)
    assert found["datasets"] == [
        {"name": "tiny", "split": "train", "num_hands": len(dataset), "share": 1.0}
    ]
    for name in ("focal", "root_depth", "bbox_size"):
        expected = np.percentile(dataset.column(name), PERCENTILES, method="inverted_cdf")
        np.testing.assert_allclose(found["percentiles"][name], expected, rtol=1e-6)
    assert found["right_share"] == pytest.approx(0.5)
    assert found["camera_share"] == 1.0


def test_a_mixture_counts_by_its_draws(pair):
    few, many = pair
    found = measure_range(MixtureDataset(pair, weights=[3, 1]))
    assert [part["share"] for part in found["datasets"]] == [0.75, 0.25]
    values = np.concatenate([few.column("bbox_size"), many.column("bbox_size")])
    weights = np.repeat([0.75 / len(few), 0.25 / len(many)], [len(few), len(many)])
    below = weights[values <= found["percentiles"]["bbox_size"][PERCENTILES.index(50)]].sum()
    assert 0.5 <= below < 0.5 + 0.75 / len(few) + 1e-9


def test_large_data_sets_are_thinned_out(pair, monkeypatch):
    whole = measure_range(MixtureDataset(pair, weights=[1, 1]))
    monkeypatch.setattr(module, "_MAX_ROWS", 6)
    thin = measure_range(MixtureDataset(pair, weights=[1, 1]))
    assert [part["num_hands"] for part in thin["datasets"]] == [12, 36]
    middle = PERCENTILES.index(50)
    found, expected = (x["percentiles"]["root_depth"][middle] for x in (thin, whole))
    assert found == pytest.approx(expected, abs=0.08)


def test_unknown_depths_are_left_out(shards_root, monkeypatch):
    dataset = HandClipDataset(shards_root)
    column = dataset.column

    def without_depth(name: str) -> np.ndarray:
        return np.full(len(dataset), np.nan) if name == "root_depth" else column(name)

    monkeypatch.setattr(dataset, "column", without_depth)
    found = measure_range(dataset)
    assert found["percentiles"]["root_depth"] is None
    assert not any("root_depth" in line for line in format_range(found))


def test_a_stream_has_no_range(shards_root):
    assert measure_range(StreamingClipDataset(f"{shards_root}/{{file}}")) is None


def test_the_lines_name_data_sets_and_units(shards_root):
    lines = format_range(measure_range(HandClipDataset(shards_root)))
    assert lines[0].split() == ["data", "sets", "tiny", "100%"]
    assert lines[1].startswith("focal") and "px, median 120.5" in lines[1]
