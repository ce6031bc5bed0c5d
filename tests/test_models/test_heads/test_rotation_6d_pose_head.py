import torch

from handvit.geometry.rotation import axis_angle_to_matrix
from handvit.models.heads import Rotation6DPoseHead
from handvit.registry import MODELS


def test_untrained_head_says_a_flat_unturned_hand():
    head = MODELS.build(dict(type="Rotation6DPoseHead", dim=32))
    rotations = head(torch.randn(2, 3, 32))
    wanted = torch.eye(3).expand(2, 3, 16, 3, 3)
    torch.testing.assert_close(rotations, wanted, rtol=0, atol=0.03)


def test_untrained_head_says_the_mean_pose(statistics):
    head = Rotation6DPoseHead(8)
    head.start_at(statistics)
    torch.nn.init.zeros_(head.linear.weight)
    wanted = axis_angle_to_matrix(torch.from_numpy(statistics.pose_mean).float())
    torch.testing.assert_close(head(torch.randn(2, 8))[1], wanted)


def test_six_numbers_are_two_columns():
    """Rotation 2 of 16 turns a quarter about z: its columns are (0, 1, 0) and (-1, 0, 0)."""
    head = Rotation6DPoseHead(4)
    with torch.no_grad():
        head.linear.weight.zero_()
        head.linear.bias[12:18] = torch.tensor([0.0, 2, 0, -1, 0, 0])  # need not be of length 1
    rotations = head(torch.randn(4))
    assert rotations.shape == (16, 3, 3)
    wanted = torch.tensor([[0.0, -1, 0], [1, 0, 0], [0, 0, 1]])
    torch.testing.assert_close(rotations[2], wanted)
    torch.testing.assert_close(rotations[3], torch.eye(3))


def test_any_answer_is_a_rotation():
    head = Rotation6DPoseHead(8)
    torch.nn.init.normal_(head.linear.weight)
    rotations = head(torch.randn(64, 8))
    identity = torch.eye(3).expand_as(rotations)
    torch.testing.assert_close(rotations @ rotations.mT, identity, rtol=0, atol=1e-4)
    torch.testing.assert_close(torch.linalg.det(rotations), torch.ones(64, 16))


def test_gradient_is_finite_at_the_start():
    head = Rotation6DPoseHead(8)
    (head(torch.randn(5, 8)) * torch.rand(3, 3)).sum().backward()
    assert head.linear.weight.grad.isfinite().all() and head.linear.weight.grad.any()
