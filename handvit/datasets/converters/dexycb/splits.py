"""Say which cameras and sequences belong to which split of DexYCB.

Each setup keeps something apart for testing: s0 recordings, s1 people, s2 cameras, s3 grasped
objects (Chao et al. 2021, "DexYCB: A Benchmark for Capturing Hand Grasping of Objects").
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple

SUBJECTS = (
    "20200709-subject-01",
    "20200813-subject-02",
    "20200820-subject-03",
    "20200903-subject-04",
    "20200908-subject-05",
    "20200918-subject-06",
    "20200928-subject-07",
    "20201002-subject-08",
    "20201015-subject-09",
    "20201022-subject-10",
)
SERIALS = (
    "836212060125",
    "839512060362",
    "840412060917",
    "841412060263",
    "932122060857",
    "932122060861",
    "932122061900",
    "932122062010",
)
#: Of each subject: five recordings of each of 20 grasped objects, in alphabetical order.
NUM_SEQUENCES = 100
_ALL = tuple(range(NUM_SEQUENCES))
_FIFTH = tuple(i for i in _ALL if i % 5 == 4)


class Members(NamedTuple):
    """Name what a split is the product of."""

    subjects: tuple[str, ...]
    sequences: tuple[int, ...]  # places in the sorted list of all sequences of one subject
    serials: tuple[str, ...]  # of cameras


def _of_objects(*objects: int) -> tuple[int, ...]:
    return tuple(i for i in _ALL if i // 5 in objects)


def _others(sequences: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(i for i in _ALL if i not in sequences)


SPLITS: Mapping[str, Members] = MappingProxyType(
    {
        "s0_train": Members(SUBJECTS, _others(_FIFTH), SERIALS),
        "s0_val": Members(SUBJECTS[:2], _FIFTH, SERIALS),
        "s0_test": Members(SUBJECTS[2:], _FIFTH, SERIALS),
        "s1_train": Members((*SUBJECTS[:6], SUBJECTS[9]), _ALL, SERIALS),
        "s1_val": Members(SUBJECTS[6:7], _ALL, SERIALS),
        "s1_test": Members(SUBJECTS[7:9], _ALL, SERIALS),
        "s2_train": Members(SUBJECTS, _ALL, SERIALS[:6]),
        "s2_val": Members(SUBJECTS, _ALL, SERIALS[6:7]),
        "s2_test": Members(SUBJECTS, _ALL, SERIALS[7:]),
        "s3_train": Members(SUBJECTS, _others(_of_objects(3, 7, 11, 15, 19)), SERIALS),
        "s3_val": Members(SUBJECTS, _of_objects(3, 19), SERIALS),
        "s3_test": Members(SUBJECTS, _of_objects(7, 11, 15), SERIALS),
    }
)
