import numpy as np
import pytest

from handvit.datasets.shards import stored_samples
from handvit.datasets.shards.label_table import NUMBERS_DTYPE, label_table, number_table
from handvit.datasets.shards.stored_samples import StoredSample, StoredSamples


@pytest.fixture
def samples(make_sample):
    return [make_sample(track=1, frame=frame) for frame in range(3)]


@pytest.fixture
def stored(samples):
    return StoredSamples(
        [
            StoredSample(memoryview(sample.image), memoryview(b""), label)
            for sample, label in zip(samples, label_table(samples), strict=True)
        ]
    )


def test_samples_are_those_that_were_stored(samples, stored):
    assert len(stored) == 3
    for actual, expected in zip(stored, samples, strict=True):
        assert actual.image == expected.image
        assert actual.to_record() == expected.to_record()
    assert stored[-1].sample_id == stored.last_id == samples[-1].sample_id


def test_numbers_are_those_of_the_samples_and_make_none(samples, stored, monkeypatch):
    monkeypatch.setattr(stored_samples, "to_sample", None)
    numbers = np.frombuffer(b"".join(stored.numbers), NUMBERS_DTYPE)
    np.testing.assert_array_equal(numbers, number_table(samples))
    assert stored.last_id == samples[-1].sample_id
    assert stored._stored[0].image_size == samples[0].image_size


def test_arrays_are_views_so_that_a_change_arrives_in_the_batch(stored):
    stored[1].hand_pose[:] = 7
    numbers = np.frombuffer(b"".join(stored.numbers), NUMBERS_DTYPE)
    assert (numbers["hand_pose"] == 7).all(-1).tolist() == [False, True, False]
