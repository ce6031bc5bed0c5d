import pytest

from handvit.datasets.shards import bad_samples
from handvit.datasets.shards.bad_samples import BadSamples
from handvit.datasets.shards.shard_index import ShardError

ERROR = ShardError("shard-7.tar: broken")


@pytest.fixture
def log(monkeypatch):
    lines = []
    monkeypatch.setattr(bad_samples, "print_log", lambda text, **_: lines.append(text))
    return lines


def test_nothing_is_allowed_by_default():
    with pytest.raises(ShardError) as caught:
        BadSamples(0).add(["a"], ERROR)
    assert caught.value is ERROR


def test_up_to_the_limit(log):
    bad = BadSamples(3)
    bad.add(["a"], ERROR)
    bad.add(["b", "c"], ERROR)
    assert log == [
        "1 skipped, 1 of 3 allowed: shard-7.tar: broken",
        "2 skipped, 3 of 3 allowed: shard-7.tar: broken",
    ]
    with pytest.raises(ShardError, match=r"shard-7.tar: broken .more than max_bad_samples=3"):
        bad.add(["d"], ERROR)


def test_the_same_samples_count_once(log):
    bad = BadSamples(2)
    for _ in range(5):  # in every epoch
        bad.add(["a", "b"], ERROR)
    assert len(log) == 1
