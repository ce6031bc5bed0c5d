import numpy as np
import pytest
import torch
from scipy.integrate import trapezoid
from scipy.optimize import minimize
from scipy.spatial.transform import Rotation

from handvit.evaluation import functional as F
from handvit.geometry.procrustes import align_similarity_reflecting
from handvit.structures.skeleton import KEYPOINT_NAMES


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
    assert F.align_scale_translation(pred, gt).shape == pred.shape
    assert F.aligned_errors(pred, gt, valid).shape == (*leading, 21)


def test_root_relative_removes_the_place_and_only_it():
    hand = points(5, 21)
    moved = hand + torch.randn(5, 1, 3, dtype=torch.float64)
    assert torch.allclose(F.root_relative(moved), F.root_relative(hand))
    assert (F.root_relative(hand)[:, 0] == 0).all()


def test_scale_and_translation_by_hand():
    """The prediction's palm is half as long to the middle finger, and as long to the index."""
    middle, index = KEYPOINT_NAMES.index("middle1"), KEYPOINT_NAMES.index("index1")
    gt, pred = torch.zeros(21, 3), torch.zeros(21, 3)
    gt[middle], gt[index] = torch.tensor([0.06, 0.08, 0.0]), torch.tensor([0.0, 0.0, 0.05])
    pred[middle], pred[index] = torch.tensor([0.0, 0.03, 0.04]), torch.tensor([0.05, 0.0, 0.0])
    gt, pred = gt + torch.tensor([0.1, 0.0, 0.5]), pred + torch.tensor([9.0, 8.0, 7.0])
    aligned = F.align_scale_translation(pred, gt)
    assert torch.allclose(aligned[0], gt[0])
    assert torch.allclose(aligned[middle], gt[0] + torch.tensor([0.0, 0.06, 0.08]), atol=1e-6)
    assert torch.allclose(aligned[index], gt[0] + torch.tensor([0.1, 0.0, 0.0]), atol=1e-6)


def test_scale_and_translation_agree_with_the_kernel_in_its_own_order():
    """HO3D's script takes joints 0 and 4 of its own order, one hand at a time."""
    fingers = ("index", "middle", "pinky", "ring", "thumb")
    names = ["wrist", *(f"{finger}{i}" for finger in fingers for i in (1, 2, 3))]
    names += ["thumb4", "index4", "middle4", "ring4", "pinky4"]
    order = [KEYPOINT_NAMES.index(name) for name in names]
    pred, gt = points(3, 4, 21), points(3, 4, 21) + 0.5
    aligned = F.align_scale_translation(pred, gt)[..., order, :]
    for hand in np.ndindex(3, 4):
        source, target = pred[hand].numpy()[order], gt[hand].numpy()[order]
        unit = (source - source[0]) / np.sqrt(((source[4] - source[0]) ** 2).sum())
        expected = unit * np.sqrt(((target[4] - target[0]) ** 2).sum()) + target[0]
        np.testing.assert_allclose(aligned[hand].numpy(), expected, rtol=0, atol=1e-12)


def test_scale_and_translation_change_nothing_that_fits_and_turn_nothing():
    gt = points(5, 21)
    assert torch.allclose(F.align_scale_translation(gt, gt), gt)
    assert torch.allclose(F.align_scale_translation(3 * gt + 7, gt), gt)
    turned = gt @ torch.as_tensor(Rotation.from_rotvec([0, 0, 0.5]).as_matrix()).mT
    errors = F.keypoint_errors(F.align_scale_translation(turned, gt), gt)
    assert (errors[:, 0] < 1e-12).all() and errors.mean() > 0.01


def test_a_collapsed_prediction_lies_in_the_wrist():
    gt = points(2, 21)
    aligned = F.align_scale_translation(torch.zeros_like(gt), gt)
    assert torch.equal(aligned, gt[:, :1].expand(2, 21, 3))


def test_aligned_errors_vanish_for_similar_hands_but_not_for_mirrored_ones():
    gt = points(3, 21)
    rotation = torch.as_tensor(Rotation.random(3, random_state=0).as_matrix())
    pred = 1.7 * gt @ rotation.transpose(-1, -2) + 0.3
    valid = torch.ones(3, 21, dtype=torch.bool)
    assert F.aligned_errors(pred, gt, valid).max() < 1e-12
    mirrored = gt * torch.tensor([-1.0, 1.0, 1.0])
    assert F.aligned_errors(mirrored, gt, valid).mean() > 0.01


def test_the_official_alignment_reflects_and_the_strict_one_does_not():
    gt = points(3, 21)
    valid = torch.ones(3, 21, dtype=torch.bool)
    mirrored = gt * torch.tensor([-1.0, 1.0, 1.0])
    official = F.aligned_errors(mirrored, gt, valid, align=align_similarity_reflecting)
    assert official.max() < 1e-12
    assert F.aligned_errors(mirrored, gt, valid).mean() > 0.01
    near = gt + 0.1 * points(3, 21)  # not a mirror image: both alignments are the same rotation
    official = F.aligned_errors(near, gt, valid, align=align_similarity_reflecting)
    assert official.mean() > 1e-3
    assert torch.allclose(official, F.aligned_errors(near, gt, valid), rtol=0, atol=1e-12)


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


@pytest.mark.parametrize(
    ("num_steps", "error", "expected"),
    [
        (F.NUM_PCK_STEPS, 0.010, 1 - 19.5 / 99),  # between the thresholds 19 and 20
        (F.NUM_PCK_STEPS, 0.050, 0.5 / 99),
        (F.NUM_PCK_STEPS_HOT3D, 0.0102, 1 - 20.5 / 100),
        (F.NUM_PCK_STEPS_HOT3D, 0.050, 0.5 / 100),
    ],
)
def test_grids_by_hand(num_steps, error, expected):
    """Of 100 thresholds, 99 steps; of 101, 100. The last one, 50 mm, is among them."""
    errors, valid = torch.full((2, 3), error, dtype=torch.float64), torch.ones(2, 3).bool()
    area = F.area_under_pck(errors, valid, num_steps=num_steps)
    assert area.item() == pytest.approx(expected, abs=1e-12)


def test_an_error_on_a_threshold_is_within_it():
    """Five thresholds, multiples of 1/64, which floats represent exactly."""
    valid = torch.ones(1, 1, dtype=torch.bool)
    area = F.area_under_pck(torch.tensor([[2 / 64]]), valid, max_error=4 / 64, num_steps=5)
    assert area.item() == (0.5 + 1 + 1) / 4


def test_hot3d_pools_its_landmarks_which_is_the_same_where_all_are_there():
    errors = torch.rand(30, 19, dtype=torch.float64) * 0.08
    thresholds = np.linspace(0, 50, 101)
    curve = [np.mean(errors.numpy() * 1000 <= limit) for limit in thresholds]
    expected = trapezoid(curve, thresholds) / 50
    valid = torch.ones(30, 19, dtype=torch.bool)
    area = F.area_under_pck(errors, valid, num_steps=F.NUM_PCK_STEPS_HOT3D)
    assert area.item() == pytest.approx(expected, abs=1e-12)


def test_area_under_pck_at_its_ends():
    valid = torch.ones(3, 21, dtype=torch.bool)
    assert F.area_under_pck(torch.zeros(3, 21), valid).item() == pytest.approx(1.0)
    assert F.area_under_pck(torch.full((3, 21), 0.051), valid).item() == 0.0


def test_macro_and_micro_means_by_hand():
    """Three hands have the wrist, whose relative error is zero; one has the fingertip."""
    errors = torch.tensor([[0.0, 0.012], [0.0, 99.0], [0.0, 99.0]], dtype=torch.float64)
    valid = torch.tensor([[True, True], [True, False], [True, False]])
    assert F.mean_of_keypoint_means(errors, valid).item() == pytest.approx(0.006)
    assert F.mean_of_valid(errors, valid).item() == pytest.approx(0.003)


def test_macro_mean_follows_the_interhand_script():
    """Root-relative errors of two hands' 42 joints: lists by joint, wrists and their zeros too."""
    pred, gt = points(30, 2, 21), points(30, 2, 21)
    errors = F.keypoint_errors(F.root_relative(pred), F.root_relative(gt)).flatten(1)  # (30, 42)
    valid = torch.rand(30, 42) < torch.linspace(0.1, 1, 42)
    valid[:, 5] = False
    errors[~valid] = float("nan")  # whatever is not annotated
    by_joint = [errors[valid[:, joint], joint].numpy() for joint in range(42)]
    expected = np.mean([np.mean(of_joint) for of_joint in by_joint if len(of_joint)])
    macro = F.mean_of_keypoint_means(errors, valid).item()
    assert macro == pytest.approx(expected, abs=1e-12)
    assert abs(macro - F.mean_of_valid(errors, valid).item()) > 1e-4
    every = torch.ones(30, 42, dtype=torch.bool)
    balanced = torch.rand(30, 42, dtype=torch.float64)
    assert torch.allclose(F.mean_of_keypoint_means(balanced, every), balanced.mean())


def test_errors_have_gradients():
    pred = points(2, 21).requires_grad_()
    gt = points(2, 21)
    total = F.keypoint_errors(pred, gt).sum()
    total += F.aligned_errors(pred, gt, torch.ones(2, 21, dtype=torch.bool)).sum()
    total.backward()
    assert torch.isfinite(pred.grad).all() and pred.grad.abs().sum() > 0
    assert torch.autograd.gradcheck(F.align_scale_translation, (pred, gt.requires_grad_()))


def test_means_refuse_an_empty_mask():
    values = torch.tensor([1.0, 2.0, 6.0])
    assert F.mean_of_valid(values, torch.tensor([True, False, True])).item() == 3.5
    with pytest.raises(AssertionError):
        F.mean_of_keypoint_means(values[None], torch.zeros(1, 3, dtype=torch.bool))
    with pytest.raises(AssertionError):
        F.mean_of_valid(values, torch.zeros(3, dtype=torch.bool))
