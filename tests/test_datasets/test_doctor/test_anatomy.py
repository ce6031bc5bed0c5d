import numpy as np
import pytest

from handvit.datasets.doctor.anatomy import (
    ADULT_BONE_LENGTH,
    KNOWN_ORDERS,
    bone_lengths,
    proportion_error,
    right_handedness,
)
from handvit.structures.skeleton import KEYPOINT_NAMES


def hook(bend):
    """A right hand, palm down (-y), fingers along -x, all outer joints bent by ``bend`` rad."""
    keypoints = np.zeros((21, 3))
    for finger in range(5):
        place = np.array([-0.08, 0.0, 0.04 - 0.02 * finger])  # the thumb's side is +z
        angle = 0.0
        for joint in range(1, 5):
            keypoints[4 * finger + joint] = place
            place = place + 0.03 * np.array([-np.cos(angle), -np.sin(angle), 0.0])
            angle += bend
    return keypoints


def test_orders_are_permutations():
    for order in KNOWN_ORDERS.values():
        assert sorted(order) == list(range(21))


@pytest.mark.parametrize(
    ("order", "stored_first", "stored_last"),
    [
        ("MANO's 16 joints, then the tips", "wrist", "pinky4"),
        ("each finger tip to base, wrist last (InterHand2.6M)", "thumb4", "wrist"),
        ("wrist, then each finger tip to base (RHD)", "wrist", "pinky1"),
        ("fingers base to tip, wrist last", "thumb1", "wrist"),
        ("little finger first", "wrist", "thumb4"),
        ("thumb last", "wrist", "thumb4"),
    ],
)
def test_orders_repair_what_is_stored(order, stored_first, stored_last):
    order = list(KNOWN_ORDERS[order])
    stored = np.array(KEYPOINT_NAMES)[np.argsort(order)]
    assert (stored[0], stored[-1]) == (stored_first, stored_last)
    assert stored[order].tolist() == list(KEYPOINT_NAMES)


def test_bones_by_hand():
    keypoints = np.zeros((2, 21, 3))
    keypoints[:, 5] = [0, 3, 4]
    length = bone_lengths(keypoints)
    assert length.shape == (2, 20)
    assert length[0, 4:6].tolist() == [5, 5]  # wrist to index1, index1 to index2
    assert length[0].sum() == 10


def test_proportions_do_not_depend_on_the_unit():
    assert proportion_error(ADULT_BONE_LENGTH) == pytest.approx(0, abs=1e-12)
    assert proportion_error(1000 * ADULT_BONE_LENGTH) == pytest.approx(0, abs=1e-12)
    one_long = ADULT_BONE_LENGTH.copy()
    one_long[3] *= np.e  # mean of the logarithms is 1/20, their variance 1/20 - 1/400
    assert proportion_error(one_long) == pytest.approx(np.sqrt(1 / 20 - 1 / 400))


def test_unknown_bones_are_left_out():
    length = ADULT_BONE_LENGTH.copy()
    length[5] = np.nan
    assert proportion_error(length) == pytest.approx(0, abs=1e-12)
    assert np.isnan(proportion_error(np.full((3, 20), np.nan))).all()


def test_fingers_bend_to_the_palm():
    right = hook(0.5)
    assert right_handedness(right) == pytest.approx(np.sin(0.5))
    assert right_handedness(right * [1, 1, -1]) == pytest.approx(-np.sin(0.5))
    assert right_handedness(hook(0.0)) == pytest.approx(0, abs=1e-12)


def test_handedness_does_not_depend_on_the_view():
    turn = np.linalg.qr(np.random.default_rng(0).normal(size=(3, 3)))[0]
    turn *= np.sign(np.linalg.det(turn))
    turned = np.stack([hook(0.5), hook(-0.2)]) @ turn.T * 1000 + 7
    np.testing.assert_allclose(right_handedness(turned), np.sin([0.5, -0.2]))
