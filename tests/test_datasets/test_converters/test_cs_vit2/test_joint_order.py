import numpy as np
import pytest

from handvit.datasets.converters.cs_vit2.joint_order import (
    ORDERS,
    bone_lengths,
    check_joint_order,
)


@pytest.fixture(scope="module")
def hands(make_world):
    """Four hands in canonical order, (4, 21, 3) metres."""
    frames = make_world(num_frames=2).hands
    return np.stack([hand.keypoints for frame in frames for hand in frame.values()])


def test_canonical_order_passes(hands):
    check_joint_order(hands, "a.tar")


def test_a_hand_with_a_wrong_joint_does_no_harm(hands):
    spoilt = hands + np.array([0, 0, 0.7])
    spoilt[0, 8] = 0.001, 0.001, 0.001  # what some data sets write where nothing is annotated
    check_joint_order(spoilt, "a.tar")


@pytest.mark.parametrize("name", [name for name in ORDERS if name != "canonical"])
def test_other_orders_are_recognised(hands, name):
    raw = np.empty_like(hands)
    raw[:, ORDERS[name]] = hands  # so that raw[:, order] is canonical
    with pytest.raises(ValueError, match=rf"a\.tar: joint_cam is not .* that of {name}: all bones"):
        check_joint_order(raw, "a.tar")


@pytest.mark.parametrize("scale", [0.001, 0.1, 1000])
def test_other_units_are_recognised(hands, scale):
    with pytest.raises(ValueError, match=r"a\.tar: joint_cam has .* want a human hand"):
        check_joint_order(hands * scale, "a.tar")


def test_swapped_joints_are_recognised(hands):
    order = list(range(21))
    order[8], order[20] = 20, 8
    with pytest.raises(ValueError, match=r"a\.tar: joint_cam has 0\.\d+ m from index3 to index4"):
        check_joint_order(hands[:, order], "a.tar")


def test_lengths_by_hand():
    keypoints = np.zeros((2, 21, 3))
    keypoints[:, 1] = [3, 4, 0]  # the thumb's base, beside everything else at the wrist
    lengths = bone_lengths(keypoints)
    assert lengths.shape == (2, 20)
    assert lengths[0, :2].tolist() == [5, 5] and not lengths[:, 2:].any()
