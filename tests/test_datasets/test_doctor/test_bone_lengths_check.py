from dataclasses import replace

import numpy as np
import pytest

from handvit.datasets.doctor.bone_lengths_check import check_bone_lengths
from handvit.datasets.doctor.finding import Status


def scaled(table, factor):
    return replace(table, keypoints_cam=table.keypoints_cam * np.float32(factor))


def test_bones_of_the_good_set(good_table):
    finding = check_bone_lengths(good_table)
    assert finding.status is Status.OK
    assert finding.numbers["spread"] < 1e-3
    assert 0.08 < finding.numbers["median_m/middle1"] < 0.11


def test_a_stretched_bone_is_found(good_table):
    keypoints = good_table.keypoints_cam.copy()
    keypoints[:5, 8] += 3 * (keypoints[:5, 8] - keypoints[:5, 7])  # index tips, 4 times as far
    finding = check_bone_lengths(replace(good_table, keypoints_cam=keypoints))
    assert finding.status is Status.FAILED
    assert finding.numbers["odd_share"] == pytest.approx(5 / len(good_table))
    assert set(finding.worst) == set(good_table.sample_id[:5])


@pytest.mark.parametrize(
    ("spread", "status"), [(0.03, Status.OK), (0.2, Status.WARNING), (0.6, Status.FAILED)]
)
def test_bones_of_one_hand_keep_their_lengths(good_table, spread, status):
    """Let each hand of a track have its own size."""
    factor = np.random.default_rng(0).uniform(1 - spread, 1 + spread, (len(good_table), 1, 1))
    finding = check_bone_lengths(scaled(good_table, factor))
    assert finding.status is status
    assert finding.numbers["odd_share"] == 0
    assert finding.numbers["num_compared"] == 72
    assert 0.5 * spread < finding.numbers["spread"] < 1.5 * spread + 0.01
    assert bool(finding.worst) == (status is not Status.OK)


def test_different_hands_may_differ(good_table):
    """Hands that are seen once are compared with nobody."""
    lonely = replace(good_table, group=np.arange(len(good_table)).astype(str))
    factor = np.random.default_rng(0).uniform(0.5, 1.5, (len(good_table), 1, 1))
    finding = check_bone_lengths(scaled(lonely, factor))
    assert finding.status is Status.OK
    assert finding.numbers["num_compared"] == 0


def test_missing_keypoints_are_passed_over(good_table):
    valid = good_table.keypoints_cam_valid.copy()
    valid[:, 4] = False
    table = replace(good_table, keypoints_cam_valid=valid)
    finding = check_bone_lengths(table)
    assert finding.status is Status.OK
    assert finding.numbers["num_compared"] == 72
    assert np.isnan(finding.numbers["median_m/thumb4"])
