from itertools import combinations, product

import pytest

from handvit.datasets.converters.dexycb.splits import SERIALS, SPLITS, SUBJECTS

SETUPS = ("s0", "s1", "s2", "s3")


def pairs(split: str) -> set[tuple[str, int, str]]:
    """All (subject, sequence, camera) of a split."""
    return set(product(*SPLITS[split]))


@pytest.mark.parametrize(
    ("setup", "sizes"),
    [
        ("s0", (6400, 320, 1280)),
        ("s1", (5600, 800, 1600)),
        ("s2", (6000, 1000, 1000)),
        ("s3", (6000, 800, 1200)),
    ],
)
def test_official_numbers_of_sequences_seen_by_cameras(setup, sizes):
    parts = [pairs(f"{setup}_{part}") for part in ("train", "val", "test")]
    assert tuple(map(len, parts)) == sizes
    assert all(not first & second for first, second in combinations(parts, 2))
    assert parts[0] | parts[1] | parts[2] == set(product(SUBJECTS, range(100), SERIALS))


def test_splits_are_the_four_setups():
    assert set(SPLITS) == {f"{s}_{part}" for s in SETUPS for part in ("train", "val", "test")}


def test_what_each_setup_keeps_apart():
    assert SPLITS["s0_val"].sequences == tuple(range(4, 100, 5))
    assert SPLITS["s0_val"].subjects == SUBJECTS[:2]
    assert SPLITS["s1_train"].subjects == (*SUBJECTS[:6], "20201022-subject-10")
    assert SPLITS["s1_val"].subjects == ("20200928-subject-07",)
    assert SPLITS["s1_test"].subjects == ("20201002-subject-08", "20201015-subject-09")
    assert SPLITS["s2_val"].serials == ("932122061900",)
    assert SPLITS["s2_test"].serials == ("932122062010",)
    assert SPLITS["s3_val"].sequences == (*range(15, 20), *range(95, 100))
    assert SPLITS["s3_test"].sequences == (*range(35, 40), *range(55, 60), *range(75, 80))
