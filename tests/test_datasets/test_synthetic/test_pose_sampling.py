import numpy as np
import pytest
import torch

from handvit.datasets.synthetic.pose_sampling import (
    BEND,
    LOWER_LIMITS,
    SPREAD,
    UPPER_LIMITS,
    angles_to_axis_angle,
    joint_frames,
    sample_angles,
    sample_betas,
    sample_moving_angles,
)
from handvit.geometry.rotation import axis_angle_to_matrix
from handvit.hand_models import ManoLayer


@pytest.fixture(scope="module")
def layer():
    return ManoLayer().double()


def _keypoints(layer, angles):
    pose = angles_to_axis_angle(angles, joint_frames(layer.asset))
    betas = torch.zeros(*angles.shape[:-2], 10, dtype=torch.float64)
    orient = torch.eye(3, dtype=torch.float64).expand(*angles.shape[:-2], 3, 3)
    return layer(orient, axis_angle_to_matrix(pose), betas).keypoints_rel


def test_frames_are_rotations(layer):
    frames = joint_frames(layer.asset)
    assert frames.shape == (15, 3, 3)
    identity = torch.eye(3, dtype=torch.float64).expand(15, 3, 3)
    torch.testing.assert_close(frames @ frames.transpose(1, 2), identity)
    torch.testing.assert_close(torch.linalg.det(frames), torch.ones(15).double())


def test_bending_closes_and_spreading_goes_to_the_thumb(layer):
    """The palm faces -y, the thumb is at +z: index base joint bent, then spread."""
    angles = np.zeros((3, 15, 3))
    angles[1, 0, BEND] = angles[2, 0, SPREAD] = 0.3
    straight, bent, spread = _keypoints(layer, angles)[:, 8]  # index tip
    assert bent[1] < straight[1] - 0.01
    assert spread[2] > straight[2] + 0.01


def test_bend_is_the_angle_between_bones(layer):
    angles = np.zeros((15, 3))
    angles[4, BEND] = np.radians(70)  # middle joint of the middle finger
    keypoints = _keypoints(layer, angles)
    straight = _keypoints(layer, np.zeros((15, 3)))

    def angle(points):
        inner, outer = points[10] - points[9], points[11] - points[10]
        return torch.rad2deg(torch.arccos(inner @ outer / (inner.norm() * outer.norm())))

    assert angle(keypoints) - angle(straight) == pytest.approx(70, abs=6)  # 0 is not quite straight


def test_order_of_turns():
    """Spread after bend after twist, as matrices: S B T."""
    frames = torch.eye(3, dtype=torch.float64).expand(15, 3, 3)
    angles = np.random.default_rng(0).uniform(-1, 1, (15, 3))
    found = axis_angle_to_matrix(angles_to_axis_angle(angles, frames))
    axes = torch.eye(3, dtype=torch.float64)
    twist, spread, bend = (
        axis_angle_to_matrix(torch.from_numpy(angles[:, i : i + 1]) * axes[i]) for i in range(3)
    )
    torch.testing.assert_close(found, spread @ bend @ twist)


def test_poses_keep_the_limits_and_vary():
    angles = sample_angles(np.random.default_rng(0), 500)
    assert ((angles >= LOWER_LIMITS) & (angles <= UPPER_LIMITS)).all()
    bend = np.degrees(angles[:, (0, 3, 6, 9), BEND])  # base joints of the four fingers
    assert (bend.std(0) > 20).all()
    neighbours = np.corrcoef(bend.T)[0, 1]  # index and middle
    assert 0.2 < neighbours < 0.95


def test_finger_tips_do_not_pass_through_the_back_of_the_hand(layer):
    keypoints = _keypoints(layer, sample_angles(np.random.default_rng(0), 200))
    tips = keypoints[:, [8, 12, 16, 20]]
    assert tips[..., 1].max() < 0.045


def test_motion_is_smooth_and_keeps_the_limits():
    times = np.arange(90) / 30
    angles = sample_moving_angles(np.random.default_rng(0), times)
    assert angles.shape == (90, 15, 3)
    assert ((angles >= LOWER_LIMITS - 1e-9) & (angles <= UPPER_LIMITS + 1e-9)).all()
    assert abs(np.diff(angles, axis=0)).max() * 30 < 6  # rad/s
    assert np.ptp(angles[:, 0, BEND]) > 0.3


def test_shapes():
    rng = np.random.default_rng(0)
    betas = np.stack([sample_betas(rng) for _ in range(300)])
    assert abs(betas).max() <= 2
    np.testing.assert_allclose(betas.std(0), 0.95, atol=0.15)
