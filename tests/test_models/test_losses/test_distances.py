import pytest
import torch

from handvit.geometry.rotation import axis_angle_to_matrix
from handvit.models.losses import functional
from handvit.registry import MODELS


def rotation(*vector: float) -> torch.Tensor:
    return axis_angle_to_matrix(torch.tensor(vector, dtype=torch.float64))


@pytest.mark.parametrize(
    ("cfg", "wanted"),
    [
        (dict(type="L1Distance"), 7.0),
        (dict(type="L2Distance"), 5.0),
        (dict(type="SmoothL1Distance", beta=2.0), 2.0 + 3.0),
        (dict(type="SmoothL1Distance", beta=10.0), 25 / 20),
        (dict(type="RobustL1Distance"), 7.0),
        (dict(type="RobustL1Distance", delta=3.5), 3.5 * (1 + 0.69314718056)),
    ],
)
def test_distances_of_points(cfg, wanted):
    """Points off by 3, -4 and 0."""
    pred = torch.tensor([[1.0, 2.0, 3.0], [4.0, -2.0, 3.0]], dtype=torch.float64)
    distance = MODELS.build(cfg)(pred, pred[:1])
    torch.testing.assert_close(distance, torch.tensor([0, wanted], dtype=torch.float64))


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("GeodesicDistance", 1.0),
        ("AxisAngleDistance", 0.6 + 0.8),
        (
            "RotationMatrixDistance",
            functional.rotation_l1(rotation(0.6, 0, -0.8), rotation(0, 0, 0)),
        ),
    ],
)
def test_distances_of_rotations(name, wanted):
    """One radian about an axis in the x-z plane."""
    pred = torch.stack([rotation(0, 0, 0), rotation(0.6, 0, -0.8)])
    distance = MODELS.build(dict(type=name))(pred, rotation(0, 0, 0).expand(2, 3, 3))
    torch.testing.assert_close(distance, torch.tensor([0, float(wanted)], dtype=torch.float64))


def test_small_turns_cost_two_to_three_and_a_half_matrix_elements_a_radian():
    distance = MODELS.build(dict(type="RotationMatrixDistance"))
    one_axis, all_axes = rotation(1e-4, 0, 0), rotation(*[1e-4 / 3**0.5] * 3)
    costs = torch.stack([distance(turned, rotation(0, 0, 0)) for turned in (one_axis, all_axes)])
    wanted = torch.tensor([2.0, 2 * 3**0.5], dtype=torch.float64)
    torch.testing.assert_close(costs / 1e-4, wanted, rtol=1e-3, atol=0)


@pytest.mark.parametrize(
    "cfg",
    [
        dict(type="SmoothL1Distance", beta=0.0),
        dict(type="SmoothL1Distance", beta=-1.0),
        dict(type="RobustL1Distance", delta=0.0),
    ],
)
def test_scales_must_be_positive(cfg):
    with pytest.raises(ValueError, match="must be positive"):
        MODELS.build(cfg)


def test_reprojection_outliers_begin_at_84_pixels():
    assert MODELS.build(dict(type="RobustL1Distance")).delta == 84


@pytest.mark.parametrize("loss", ["Keypoint3DLoss", "Vertex3DLoss", "RootLoss", "ReprojectionLoss"])
def test_losses_of_points_refuse_distances_of_rotations(loss, perfect, target):
    cfg = dict(type=loss, weight=1.0, distance=dict(type="RotationMatrixDistance"))
    with pytest.raises(ValueError, match="must be one of points"):
        MODELS.build(cfg)(perfect, target)


@pytest.mark.parametrize("loss", ["Axis3DLoss", "ManoPoseLoss"])
def test_losses_of_rotations_refuse_distances_of_points(loss, perfect, target):
    cfg = dict(type=loss, weight=1.0, distance=dict(type="L2Distance"))
    with pytest.raises(ValueError, match="one of rotations"):
        MODELS.build(cfg)(perfect, target)


def test_distances_own_nothing():
    assert not MODELS.build(dict(type="RobustL1Distance", delta=2.0)).state_dict()
