import numpy as np
import pytest
import torch
from scipy.integrate import trapezoid
from scipy.optimize import minimize
from scipy.spatial.transform import Rotation

from handvit.evaluation import functional as F


def points(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, 3, dtype=torch.float64) * 0.05


def test_keypoint_errors_by_hand():
    gt = torch.zeros(2, 21, 3)
    pred = gt + torch.tensor([0.003, 0.004, 0.0])
    assert torch.allclose(F.keypoint_errors(pred, gt), torch.full((2, 21), 0.005))


@pytest.mark.parametrize("leading", [(), (4,), (2, 3)])
def test_shapes_over_leading_dims(leading):
    pred, gt = points(*leading, 21), points(*leading, 21)
    valid = torch.ones(*leading, 21, dtype=torch.bool)
    assert F.keypoint_errors(pred, gt).shape == (*leading, 21)
    assert F.root_relative(pred).shape == pred.shape
    assert F.aligned_errors(pred, gt, valid).shape == (*leading, 21)


def test_root_relative_removes_the_place_and_only_it():
    hand = points(5, 21)
    moved = hand + torch.randn(5, 1, 3, dtype=torch.float64)
    assert torch.allclose(F.root_relative(moved), F.root_relative(hand))
    assert (F.root_relative(hand)[:, 0] == 0).all()


def test_aligned_errors_vanish_for_similar_hands_but_not_for_mirrored_ones():
    gt = points(3, 21)
    rotation = torch.as_tensor(Rotation.random(3, random_state=0).as_matrix())
    pred = 1.7 * gt @ rotation.transpose(-1, -2) + 0.3
    valid = torch.ones(3, 21, dtype=torch.bool)
    assert F.aligned_errors(pred, gt, valid).max() < 1e-12
    mirrored = gt * torch.tensor([-1.0, 1.0, 1.0])
    assert F.aligned_errors(mirrored, gt, valid).mean() > 0.01


def test_aligned_errors_agree_with_a_numerical_minimum():
    pred, gt = points(21), points(21)
    source, target = pred.numpy(), gt.numpy()

    def squared_error(x: np.ndarray) -> float:
        moved = x[0] * Rotation.from_rotvec(x[1:4]).apply(source) + x[4:]
        return ((moved - target) ** 2).sum() * 1e3

    starts = Rotation.random(12, random_state=0).as_rotvec()
    best = min(
        (minimize(squared_error, [1.0, *start, 0, 0, 0], tol=1e-12) for start in starts),
        key=lambda result: result.fun,
    ).x
    expected = np.linalg.norm(
        best[0] * Rotation.from_rotvec(best[1:4]).apply(source) + best[4:] - target, axis=-1
    )
    errors = F.aligned_errors(pred, gt, torch.ones(21, dtype=torch.bool))
    assert np.allclose(errors, expected, atol=1e-5)


def test_alignment_sees_valid_points_only():
    gt = points(3, 21)
    pred = gt * 1.2
    valid = torch.ones(3, 21, dtype=torch.bool)
    valid[1, 5:9] = False
    pred[1, 5:9] = 100.0
    errors = F.aligned_errors(pred, gt, valid)
    assert errors[valid].max() < 1e-12
    assert (errors[1, 5:9] == 0).all()


def test_alignable_needs_three_points():
    valid = torch.zeros(3, 21, dtype=torch.bool)
    valid[0, :2] = True
    valid[1, :3] = True
    assert F.alignable(valid).sum(dim=-1).tolist() == [0, 3, 0]


def test_accelerations_of_a_parabola():
    time = torch.arange(6, dtype=torch.float64)
    path = (3 * time**2 + 5 * time)[:, None, None].expand(6, 21, 3)
    assert torch.allclose(F.accelerations(path), torch.full((4, 21, 3), 6.0, dtype=torch.float64))


def test_area_under_pck_follows_the_freihand_script():
    errors = torch.rand(40, 21, dtype=torch.float64) * 0.08
    valid = torch.rand(40, 21) > 0.3
    valid[:, 4] = False
    thresholds = np.linspace(0.0, 0.05, 100)
    areas = []
    for joint in range(21):
        distances = errors[valid[:, joint], joint].numpy()
        if len(distances) == 0:
            continue
        curve = [np.mean((distances <= limit).astype("float")) for limit in thresholds]
        norm = trapezoid(np.ones_like(thresholds), thresholds)
        areas.append(trapezoid(curve, thresholds) / norm)
    assert F.area_under_pck(errors, valid).item() == pytest.approx(np.mean(areas), abs=1e-12)


def test_area_under_pck_at_its_ends():
    valid = torch.ones(3, 21, dtype=torch.bool)
    assert F.area_under_pck(torch.zeros(3, 21), valid).item() == pytest.approx(1.0)
    assert F.area_under_pck(torch.full((3, 21), 0.051), valid).item() == 0.0


def test_errors_have_gradients():
    pred = points(2, 21).requires_grad_()
    gt = points(2, 21)
    total = F.keypoint_errors(pred, gt).sum()
    total += F.aligned_errors(pred, gt, torch.ones(2, 21, dtype=torch.bool)).sum()
    total.backward()
    assert torch.isfinite(pred.grad).all() and pred.grad.abs().sum() > 0


def test_mean_of_valid_refuses_an_empty_mask():
    values = torch.tensor([1.0, 2.0, 6.0])
    assert F.mean_of_valid(values, torch.tensor([True, False, True])).item() == 3.5
    with pytest.raises(AssertionError):
        F.mean_of_valid(values, torch.zeros(3, dtype=torch.bool))
