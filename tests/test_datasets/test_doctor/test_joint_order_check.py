from dataclasses import replace

import numpy as np
import pytest

from handvit.datasets.doctor.anatomy import KNOWN_ORDERS
from handvit.datasets.doctor.finding import Status
from handvit.datasets.doctor.joint_order_check import (
    PLAUSIBLE_ERROR,
    OrderFit,
    check_joint_order,
)


def test_drawn_hands_are_far_from_the_limits(good_table):
    fit = OrderFit.of(good_table)
    assert fit.is_canonical.all()
    assert fit.canonical.max() < PLAUSIBLE_ERROR
    assert fit.others.min() > PLAUSIBLE_ERROR
    assert (fit.others.min(0) - fit.canonical).min() > 0.05


@pytest.mark.parametrize("order", KNOWN_ORDERS)
def test_known_orders_are_named(good_table, order):
    keypoints = good_table.keypoints_cam[:, np.argsort(KNOWN_ORDERS[order])]
    finding = check_joint_order(replace(good_table, keypoints_cam=keypoints))
    assert finding.status is Status.FAILED
    assert finding.numbers["wrong_share"] == 1
    assert f"it looks like: {order}" in finding.sentence


def test_unknown_orders_fail_too(good_table):
    shuffled = np.random.default_rng(0).permutation(21)
    finding = check_joint_order(
        replace(good_table, keypoints_cam=good_table.keypoints_cam[:, shuffled])
    )
    assert finding.status is Status.FAILED
    assert "it is no order known here" in finding.sentence


def test_neither_unit_nor_side_matters(good_table):
    for factor in ([1000, 1000, 1000], [1, -1, 1]):
        keypoints = good_table.keypoints_cam * np.float32(factor)
        assert check_joint_order(replace(good_table, keypoints_cam=keypoints)).status is Status.OK


def test_hands_without_a_base_of_the_thumb_are_judged(good_table):
    """HOT3D's skeleton has none."""
    valid = good_table.keypoints_cam_valid.copy()
    valid[:, 1] = False
    table = replace(good_table, keypoints_cam_valid=valid)
    assert check_joint_order(table).status is Status.OK
    swapped = replace(table, keypoints_cam=table.keypoints_cam[:, [0, 1, *range(20, 1, -1)]])
    assert check_joint_order(swapped).numbers["wrong_share"] > 0.9


def test_hands_with_few_keypoints_are_passed_over(good_table):
    valid = good_table.keypoints_cam_valid.copy()
    valid[3:, 17:] = False
    table = replace(good_table, keypoints_cam_valid=valid)
    assert OrderFit.of(table).row.tolist() == [0, 1, 2]
    none = replace(good_table, keypoints_cam_valid=np.zeros_like(valid))
    assert check_joint_order(none).status is Status.SKIPPED


@pytest.mark.parametrize("num_missing", [1, 3])
def test_missing_keypoints_make_no_wrong_order(good_table, num_missing):
    rng = np.random.default_rng(0)
    valid = good_table.keypoints_cam_valid.copy()
    for hand in valid:
        hand[rng.choice(21, num_missing, replace=False)] = False
    table = replace(good_table, keypoints_cam_valid=valid)
    assert check_joint_order(table).status is not Status.FAILED
