from dataclasses import replace

import numpy as np
import pytest

from handvit.datasets.doctor.finding import Status
from handvit.datasets.doctor.label_table import BadRecord
from handvit.datasets.doctor.reprojection_checks import (
    check_camera_axes,
    check_focal_length,
    check_principal_point,
    check_reprojection,
)

ALL = (check_reprojection, check_camera_axes, check_principal_point, check_focal_length)


@pytest.mark.parametrize("check", ALL)
def test_good_hands_are_fine(good_table, check):
    assert check(good_table).status is Status.OK


@pytest.mark.parametrize("check", ALL)
def test_guessed_cameras_are_not_judged(good_table, check):
    table = replace(good_table, camera_valid=np.zeros(len(good_table), bool))
    finding = check(table)
    assert finding.status is Status.SKIPPED
    assert "a known camera" in finding.sentence


def test_a_single_wrong_hand_is_a_warning_with_its_name(good_table, take_rows):
    rows = np.tile(np.arange(len(good_table)), 2)  # 204 hands: one is less than a per cent
    princpt = good_table.princpt[rows]
    princpt[40] += 20
    table = replace(take_rows(good_table, rows), princpt=princpt)
    for check in (check_reprojection, check_principal_point):
        finding = check(table)
        assert finding.status is Status.WARNING
        assert finding.worst == (good_table.sample_id[40],)
    assert "for this cause: principal point" in check_reprojection(table).sentence


def test_half_a_pixel_is_a_warning(good_table):
    finding = check_principal_point(replace(good_table, princpt=good_table.princpt + 0.5))
    assert finding.status is Status.WARNING
    assert "-0.50, -0.50 px away" in finding.sentence
    assert "are pixel centres at integers" in finding.sentence


def test_hands_behind_the_camera_count_as_wrong_axes(good_table):
    table = replace(good_table, bad_records=(BadRecord("shard: key 0: behind", True),) * 3)
    finding = check_camera_axes(table)
    assert finding.status is Status.FAILED
    assert finding.numbers["wrong_share"] == pytest.approx(3 / 105)
    other = replace(good_table, bad_records=(BadRecord("shard: key 0: cut", False),) * 3)
    assert check_camera_axes(other).status is Status.OK


def test_focal_lengths_are_compared(good_table):
    finding = check_focal_length(replace(good_table, focal=good_table.focal / 2))
    assert finding.status is Status.FAILED
    assert finding.numbers["ratio_x"] == pytest.approx(2, abs=1e-3)
