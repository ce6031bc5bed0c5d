import json

import numpy as np
import pytest

from handvit.datasets.doctor.finding import (
    NUM_WORST,
    Finding,
    Status,
    grade,
    skipped,
    to_json_number,
    worst_ids,
)


@pytest.mark.parametrize(
    ("value", "status"),
    [(0.1, Status.OK), (0.2, Status.WARNING), (0.3, Status.WARNING), (0.31, Status.FAILED)],
)
def test_grades_go_up_above_their_limits(value, status):
    assert grade(value, warning=0.1, failure=0.3) is status


def test_the_worst_come_first_and_the_fine_not_at_all():
    ids = np.array(["a", "b", "c", "d"])
    assert worst_ids(ids, np.array([0.0, 2.0, np.nan, 5.0])) == ("d", "b")
    assert worst_ids(ids, np.array([True, False, False, True])) == ("a", "d")
    many = worst_ids(np.arange(100).astype(str), np.ones(100))
    assert len(many) == NUM_WORST and many[0] == "0"


def test_records_are_json():
    finding = Finding(
        name="units",
        status=Status.FAILED,
        sentence="wrong",
        worst=("a",),
        numbers={"b": np.float64(1 / 3), "a": np.nan, "count": np.int64(3)},
    )
    record = json.loads(json.dumps(finding.to_record(), allow_nan=False))
    assert record == {
        "name": "units",
        "status": "failed",
        "sentence": "wrong",
        "worst": ["a"],
        "numbers": {"a": None, "b": 0.333333, "count": 3},
    }
    assert list(record["numbers"]) == ["a", "b", "count"]


def test_numbers_of_counts_are_integers():
    assert to_json_number(12345678.0) == 12345678
    assert isinstance(to_json_number(np.float32(2.0)), int)


def test_a_skipped_check_says_why():
    finding = skipped("mano_gap", "no MANO")
    assert (finding.name, finding.status, finding.sentence) == (
        "mano_gap",
        Status.SKIPPED,
        "no MANO",
    )
