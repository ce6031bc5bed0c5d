import torch
from scipy.spatial.transform import Rotation

from handvit.geometry.rotation import axis_angle_to_matrix
from handvit.models.heads import UnitQuaternionPoseHead
from handvit.registry import MODELS


def answering(numbers: torch.Tensor) -> UnitQuaternionPoseHead:
    """A head that says the same 64 numbers to any token."""
    head = UnitQuaternionPoseHead(4)
    with torch.no_grad():
        head.linear.weight.zero_()
        head.linear.bias.copy_(numbers.flatten())
    return head


def test_untrained_head_says_a_flat_unturned_hand():
    head = MODELS.build(dict(type="UnitQuaternionPoseHead", dim=32))
    rotations = head(torch.randn(2, 3, 32))
    wanted = torch.eye(3).expand(2, 3, 16, 3, 3)
    torch.testing.assert_close(rotations, wanted, rtol=0, atol=0.03)


def test_untrained_head_says_the_mean_pose(statistics):
    head = UnitQuaternionPoseHead(8)
    head.start_at(statistics)
    torch.nn.init.zeros_(head.linear.weight)
    wanted = axis_angle_to_matrix(torch.from_numpy(statistics.pose_mean).float())
    torch.testing.assert_close(head(torch.randn(2, 8))[1], wanted)


def test_four_numbers_are_a_quaternion_real_part_first():
    """Any length will do, and both signs say the same rotation."""
    numbers = 3 * torch.randn(16, 4)
    xyzw = numbers.double().roll(-1, dims=-1)
    wanted = torch.from_numpy(Rotation.from_quat(xyzw.numpy()).as_matrix()).float()
    for said in (numbers, -numbers, 0.01 * numbers):
        rotations = answering(said)(torch.randn(4))
        assert rotations.shape == (16, 3, 3)
        torch.testing.assert_close(rotations, wanted, rtol=0, atol=1e-5)


def test_zero_is_harmless():
    head = answering(torch.zeros(16, 4))
    rotations = head(torch.randn(4))
    torch.testing.assert_close(rotations, torch.eye(3).expand(16, 3, 3))
    (rotations * torch.rand(3, 3)).sum().backward()
    assert head.linear.weight.grad.isfinite().all()


def test_any_answer_is_a_rotation():
    head = UnitQuaternionPoseHead(8)
    torch.nn.init.normal_(head.linear.weight)
    rotations = head(torch.randn(64, 8))
    identity = torch.eye(3).expand_as(rotations)
    torch.testing.assert_close(rotations @ rotations.mT, identity, rtol=0, atol=1e-4)
    torch.testing.assert_close(torch.linalg.det(rotations), torch.ones(64, 16))


def test_gradient_is_finite_at_the_start():
    head = UnitQuaternionPoseHead(8)
    (head(torch.randn(5, 8)) * torch.rand(3, 3)).sum().backward()
    assert head.linear.weight.grad.isfinite().all() and head.linear.weight.grad.any()
