import numpy as np
import pytest
import torch

from handvit.models.heads import HandSizeUnit, MetreUnit
from handvit.models.heads.length_unit import length_of_unit
from handvit.structures.hand_size import middle_finger_length


@pytest.mark.parametrize("dims", [(), (2, 3)])
def test_a_metre_is_a_metre(dims):
    unit = MetreUnit()
    assert torch.equal(unit(torch.randn(*dims, 21, 3)), torch.ones(dims))
    assert unit.valid(torch.zeros(*dims, 21, dtype=torch.bool)).all()


def test_hand_size_is_the_length_of_the_middle_finger():
    keypoints = torch.zeros(2, 21, 3)
    keypoints[:, 9:13, 0] = torch.tensor([0.1, 0.14, 0.17, 0.19])
    torch.testing.assert_close(HandSizeUnit()(keypoints), torch.full((2,), 0.09))


def test_hand_size_needs_its_four_joints_only():
    valid = torch.zeros(2, 21, dtype=torch.bool)
    valid[:, 9:13] = True
    valid[1, 12] = False
    assert HandSizeUnit().valid(valid).tolist() == [True, False]


def test_each_unit_reads_its_own_statistics(statistics):
    mean, std = MetreUnit().root_range(statistics)
    np.testing.assert_allclose(mean, statistics.root_mean, rtol=1e-6)
    np.testing.assert_allclose(std, [0.03, 0.03, 0.05], rtol=1e-6)
    mean, std = HandSizeUnit().root_range(statistics)
    np.testing.assert_allclose(mean, statistics.root_by_hand_mean, rtol=1e-6)
    np.testing.assert_allclose(std, [0.4, 0.4, 0.8], rtol=1e-6)
    assert MetreUnit().prior_scale(statistics) == 0.121
    assert HandSizeUnit().prior_scale(statistics) == 1.6


def test_predicted_hands_tell_the_unit_when_there_is_no_label(make_crops):
    """In training the labelled hand does; no gradient reaches the predicted one."""
    labels = make_crops(2).labels
    valid = labels.keypoints_cam_valid.clone()
    valid[1, 0, 12] = False
    labels = labels._replace(keypoints_cam_valid=valid)
    hand = (2 * labels.keypoints_cam).requires_grad_()
    own, labelled = middle_finger_length(hand), middle_finger_length(labels.keypoints_cam)
    at_test = length_of_unit(HandSizeUnit().eval(), hand, labels)
    in_training = length_of_unit(HandSizeUnit().train(), hand, labels)
    torch.testing.assert_close(at_test, own)
    torch.testing.assert_close(in_training, torch.stack([labelled[0], own[1]]))
    assert not at_test.requires_grad and not in_training.requires_grad
