from dataclasses import replace

import numpy as np
import pytest

from handvit.datasets.doctor.finding import Status
from handvit.datasets.doctor.handedness_check import check_handedness


def test_good_hands_bend_to_their_palms(good_table):
    finding = check_handedness(good_table)
    assert finding.status is Status.OK
    assert finding.numbers["wrong_share"] == 0
    assert finding.numbers["num_bent"] > 50


@pytest.mark.parametrize("side", [True, False])
def test_one_swapped_side_is_found(good_table, side):
    """Declare all hands to be of one side: those of the other are wrong."""
    finding = check_handedness(replace(good_table, is_right=np.full(len(good_table), side)))
    assert finding.status is Status.FAILED
    wrong, right = ("right", "left") if side else ("left", "right")
    assert finding.numbers[f"wrong_share_{wrong}"] > 0.2
    assert np.isnan(finding.numbers[f"wrong_share_{right}"])
    assert all(sample_id.endswith(right) for sample_id in finding.worst)
    assert "some sides are swapped" in finding.sentence


def test_mirrored_axes_are_found(good_table):
    keypoints = good_table.keypoints_cam * np.float32([-1, 1, 1])
    finding = check_handedness(replace(good_table, keypoints_cam=keypoints))
    assert finding.status is Status.FAILED
    assert finding.numbers["wrong_share"] == 1
    assert "left and right are swapped, or one camera axis is mirrored" in finding.sentence


def test_turned_hands_stay_what_they_are(good_table):
    keypoints = good_table.keypoints_cam * np.float32([1, -1, -1])
    table = replace(good_table, keypoints_cam=keypoints)
    assert check_handedness(table).status is Status.OK


def test_flat_hands_tell_nothing(good_table):
    finding = check_handedness(good_table)
    keypoints = good_table.keypoints_cam.copy()
    for finger in range(1, 5):  # straighten from the second joint on
        base, middle = keypoints[:, 4 * finger + 1], keypoints[:, 4 * finger + 2]
        step = 0.6 * (middle - base)
        keypoints[:, 4 * finger + 3] = middle + step
        keypoints[:, 4 * finger + 4] = middle + 2 * step
    flat = check_handedness(replace(good_table, keypoints_cam=keypoints))
    assert (finding.status, flat.status) == (Status.OK, Status.SKIPPED)


def test_hands_in_another_order_are_not_judged(good_table):
    keypoints = good_table.keypoints_cam[:, ::-1]
    table = replace(good_table, keypoints_cam=keypoints)
    assert check_handedness(table).status is Status.SKIPPED


def test_hands_without_a_thumb_are_judged(good_table):
    valid = good_table.keypoints_cam_valid.copy()
    valid[:, 1:4] = False
    table = replace(good_table, keypoints_cam_valid=valid)
    assert check_handedness(table).numbers["num_bent"] > 50
    valid[:, 7] = False  # but not without an index finger
    assert check_handedness(replace(good_table, keypoints_cam_valid=valid)).status is Status.SKIPPED
