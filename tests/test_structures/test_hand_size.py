import pytest
import torch

from handvit.structures.hand_size import middle_finger_length, middle_finger_valid
from handvit.structures.skeleton import KEYPOINT_NAMES

MIDDLE = [KEYPOINT_NAMES.index(f"middle{joint}") for joint in (1, 2, 3, 4)]


def test_a_bent_finger_is_as_long_as_its_bones():
    keypoints = torch.randn(21, 3, dtype=torch.float64)
    keypoints[MIDDLE] = torch.tensor(
        [[1.0, 0, 0], [1.0, 0.03, 0.04], [1.0, 0.03, 0.01], [1.02, 0.03, 0.01]]
    ).double()
    assert middle_finger_length(keypoints).item() == pytest.approx(0.05 + 0.03 + 0.02)


def test_place_and_direction_do_not_matter_and_scale_does():
    keypoints = torch.randn(2, 3, 21, 3, dtype=torch.float64)
    turn = torch.linalg.qr(torch.randn(3, 3, dtype=torch.float64)).Q
    length = middle_finger_length(keypoints)
    assert length.shape == (2, 3)
    torch.testing.assert_close(middle_finger_length(2 * keypoints @ turn + 5), 2 * length)


def test_all_four_joints_have_to_be_annotated():
    valid = torch.ones(3, 21, dtype=torch.bool)
    valid[1, MIDDLE[0]] = False
    valid[2, [i for i in range(21) if i not in MIDDLE]] = False
    assert middle_finger_valid(valid).tolist() == [True, False, True]


def test_gradient():
    keypoints = torch.randn(2, 21, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(middle_finger_length, keypoints)
