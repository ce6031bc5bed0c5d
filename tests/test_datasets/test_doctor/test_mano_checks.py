from dataclasses import replace

import numpy as np
import pytest

from handvit.datasets.doctor.finding import Status
from handvit.datasets.doctor.mano_checks import check_mano, mano_gap, mean_pose
from handvit.datasets.doctor.posed_hands import PosedHands, load_hand_models


def posed(table, **gaps):
    """Hands whose gaps are given in millimetres, one number for all or one each."""
    names = ("gap", "gap_as_stored", "gap_minus_mean", "gap_plus_mean")
    values = [np.broadcast_to(gaps.get(name, 25), len(table)) / 1000 for name in names]
    return PosedHands(np.arange(len(table)), *values)


def test_good_hands_are_fine(good_table):
    findings = check_mano(good_table, load_hand_models(good_table.info, None))
    assert [(f.name, f.status) for f in findings] == [
        ("mano_gap", Status.OK),
        ("mean_pose", Status.OK),
    ]


@pytest.mark.parametrize(
    ("hand_model", "reason"), [("mano", "MANO is not given"), (None, "has no MANO parameters")]
)
def test_both_are_skipped_by_name(good_table, hand_model, reason):
    table = replace(good_table, info=replace(good_table.info, hand_model=hand_model))
    findings = check_mano(table, None)
    assert [(f.name, f.status) for f in findings] == [
        ("mano_gap", Status.SKIPPED),
        ("mean_pose", Status.SKIPPED),
    ]
    assert all(reason in finding.sentence for finding in findings)


def test_no_parameters_at_all(good_table):
    table = replace(good_table, mano_valid=np.zeros(len(good_table), bool))
    findings = check_mano(table, load_hand_models(table.info, None))
    assert {finding.status for finding in findings} == {Status.SKIPPED}


@pytest.mark.parametrize(
    ("gap", "status"), [(5, Status.OK), (10, Status.WARNING), (16, Status.FAILED)]
)
def test_gaps_are_graded(good_table, gap, status):
    finding = mano_gap(good_table, posed(good_table, gap=gap, gap_as_stored=gap))
    assert finding.status is status
    assert finding.numbers["gap_median_m"] == pytest.approx(gap / 1000)


def test_translations_are_no_wrists(good_table):
    finding = mano_gap(good_table, posed(good_table, gap=96, gap_as_stored=1))
    assert "mano_root_cam is no wrist (MANO's transl instead?)" in finding.sentence


def test_sides_have_numbers_of_their_own(good_table):
    gap = np.where(good_table.is_right, 1.0, 30.0)
    finding = mano_gap(good_table, posed(good_table, gap=gap))
    assert finding.status is Status.FAILED
    assert finding.numbers["gap_median_right_m"] == pytest.approx(0.001)
    assert finding.numbers["gap_median_left_m"] == pytest.approx(0.030)
    assert all(sample_id.endswith("left") for sample_id in finding.worst)


@pytest.mark.parametrize(
    ("gaps", "status", "words"),
    [
        ({"gap_as_stored": 5}, Status.OK, "0.0% of the poses fit much better less"),
        ({"gap_as_stored": 24, "gap_minus_mean": 5}, Status.FAILED, "was added twice"),
        ({"gap_as_stored": 24, "gap_plus_mean": 5}, Status.FAILED, "was never added"),
        ({"gap_as_stored": 8, "gap_plus_mean": 6}, Status.OK, "0.0% plus it"),
        ({"gap_as_stored": 60, "gap_plus_mean": 30}, Status.SKIPPED, "see mano_gap"),
    ],
)
def test_mean_poses_are_told_apart(good_table, gaps, status, words):
    finding = mean_pose(good_table, posed(good_table, **gaps))
    assert finding.status is status
    assert words in finding.sentence
