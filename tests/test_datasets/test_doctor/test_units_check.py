from dataclasses import replace

import numpy as np
import pytest

from handvit.datasets.doctor.finding import Status
from handvit.datasets.doctor.units_check import check_units


def scaled(table, factor):
    return replace(table, keypoints_cam=table.keypoints_cam * np.float32(factor))


@pytest.mark.parametrize(
    ("factor", "words"),
    [
        (1000, "look like millimetres (divide by 1000)"),
        (100, "look like centimetres (divide by 100)"),
        (10, "look like decimetres (divide by 10)"),
        (0.001, "look like kilometres (multiply by 1000)"),
        (1e7, "in no unit known here"),
    ],
)
def test_other_units_are_named(good_table, factor, words):
    finding = check_units(scaled(good_table, factor))
    assert finding.status is Status.FAILED
    assert words in finding.sentence
    assert finding.numbers["odd_share"] == 1


@pytest.mark.parametrize("factor", [0.6, 1.0, 1.3])
def test_small_and_large_people_are_fine(good_table, factor):
    assert check_units(scaled(good_table, factor)).status is Status.OK


def test_a_single_wrong_hand_is_a_warning_with_its_name(good_table):
    factor = np.ones((len(good_table), 1, 1), np.float32)
    factor[17] = 1000
    finding = check_units(replace(good_table, keypoints_cam=good_table.keypoints_cam * factor))
    assert finding.status is Status.WARNING
    assert finding.worst == (good_table.sample_id[17],)


def test_hands_with_few_keypoints_have_no_size(good_table):
    valid = good_table.keypoints_cam_valid.copy()
    valid[:, 1:5] = False
    table = replace(good_table, keypoints_cam_valid=valid)
    assert check_units(table).status is Status.SKIPPED
