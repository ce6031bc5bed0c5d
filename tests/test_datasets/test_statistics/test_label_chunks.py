import numpy as np
import pytest

from handvit.datasets.shards.shard_index import ShardError, labels_path
from handvit.datasets.statistics import label_chunks as module
from handvit.datasets.statistics.label_chunks import label_chunks, spaced_rows


@pytest.mark.parametrize(("num_rows", "num_wanted"), [(10, 3), (10, 9), (1000, 7), (5, 1)])
def test_one_row_is_taken_of_each_equal_part(num_rows, num_wanted):
    rows = spaced_rows(num_rows, num_wanted)
    assert len(rows) == num_wanted
    parts = np.linspace(0, num_rows, num_wanted + 1).astype(int)
    assert (parts[:-1] <= rows).all() and (rows < parts[1:]).all()
    assert np.array_equal(rows, spaced_rows(num_rows, num_wanted))


@pytest.mark.parametrize("num_views", [2, 8])  # sides, or cameras
def test_views_that_take_turns_are_all_drawn_alike(num_views):
    views = spaced_rows(16000, 1000) % num_views
    assert np.allclose(np.bincount(views) / 1000, 1 / num_views, atol=0.05)


@pytest.mark.parametrize("num_wanted", [None, 6, 7])
def test_all_rows_if_there_are_no_more(num_wanted):
    assert spaced_rows(6, num_wanted).tolist() == list(range(6))


@pytest.mark.parametrize("rows", [np.arange(17), np.array([0, 6, 7, 8, 16]), np.array([15])])
def test_chunks_hold_the_samples_of_the_rows(write_hands, make_samples, monkeypatch, rows):
    monkeypatch.setattr(module, "CHUNK_SIZE", 4)
    reader = write_hands(make_samples(17))  # in shards of 7
    chunks = list(label_chunks(reader, rows))
    assert max(map(len, chunks)) <= 4 and sum(map(len, chunks)) == len(rows)
    for row, label in zip(rows, (label for chunk in chunks for label in chunk), strict=True):
        sample = reader.read_sample(row)
        assert label["sample_id"].decode() == sample.sample_id
        assert np.array_equal(label["keypoints_cam"], sample.keypoints_cam)


def test_damaged_labels_are_named_with_the_fix(write_hands, make_samples):
    reader = write_hands(make_samples(17))
    path = labels_path(reader.root / reader.info.shards[1].file)
    content = path.read_bytes()
    path.write_bytes(content[:-1])
    with pytest.raises(ShardError, match=r"000001\.labels\.npy: not readable .*build_index"):
        list(label_chunks(reader, np.arange(17)))
    path.write_bytes(labels_path(reader.root / reader.info.shards[2].file).read_bytes())
    with pytest.raises(ShardError, match=r"000001\.labels\.npy: .*\(3,\) for 7 samples; rebuild"):
        list(label_chunks(reader, np.arange(17)))
