"""Measure how far hands are from their annotation: unreduced errors, in metres.

The keypoint errors of a hand are distances, (..., J). What an annotation lacks is left out by a
mask, never by a value.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from handvit.geometry.procrustes import align_similarity
from handvit.structures.skeleton import KEYPOINT_NAMES, WRIST

#: A similarity has seven parameters: two points leave it undetermined, three do not.
MIN_ALIGNED_POINTS = 3
#: Thresholds on the PCK curves of FreiHAND's script, which HO3D and DexYCB share, and of HOT3D's.
NUM_PCK_STEPS, NUM_PCK_STEPS_HOT3D = 100, 101
#: The end of the palm bone that HO3D takes for the size of a hand; joint 4 in its own order.
_MIDDLE_BASE = KEYPOINT_NAMES.index("middle1")


def keypoint_errors(pred: Tensor, gt: Tensor) -> Tensor:
    """Measure the distance of each point from its annotation, (..., J, 3) -> (..., J) metres."""
    return (pred - gt).norm(dim=-1)


def root_relative(keypoints_cam: Tensor) -> Tensor:
    """Subtract the wrist, (..., 21, 3) -> (..., 21, 3) metres."""
    return keypoints_cam - keypoints_cam[..., WRIST : WRIST + 1, :]


def align_scale_translation(pred: Tensor, gt: Tensor) -> Tensor:
    """Move pred to the wrist and the size of gt, as HO3D's script does, (..., 21, 3) metres.

    The size of a hand is the distance from its wrist to the base of its middle finger. A
    prediction that has none comes to lie in the wrist.
    """
    pred_rel, gt_rel = root_relative(pred), root_relative(gt)
    pred_size, gt_size = (hand[..., _MIDDLE_BASE, :].norm(dim=-1) for hand in (pred_rel, gt_rel))
    scale = gt_size / pred_size.clamp_min(torch.finfo(pred_size.dtype).tiny)  # (...)
    return scale[..., None, None] * pred_rel + gt[..., WRIST : WRIST + 1, :]


def alignable(valid: Tensor) -> Tensor:
    """Keep the valid points of hands that have enough of them for a similarity, (..., J) bool."""
    return valid & (valid.sum(dim=-1, keepdim=True) >= MIN_ALIGNED_POINTS)


def aligned_errors(
    pred: Tensor,
    gt: Tensor,
    valid: Tensor,
    *,
    align: Callable[[Tensor, Tensor], Tensor] = align_similarity,
) -> Tensor:
    """Measure distances after the similarity that fits the valid points of each hand best.

    Args:
        pred, gt: (..., J, 3) metres.
        valid: (..., J) bool; the alignment sees these points only.
        align: ``align_similarity_reflecting`` gives the numbers of the official scripts of
            FreiHAND, HO3D and DexYCB.

    Returns:
        (..., J) metres; zero where ``alignable(valid)`` is false.
    """
    num_points = valid.shape[-1]
    flat_pred, flat_gt = pred.reshape(-1, num_points, 3), gt.reshape(-1, num_points, 3)  # (N, J, 3)
    errors = flat_pred.new_zeros(flat_pred.shape[:2])  # (N, J)
    patterns, pattern_of_hand = (
        alignable(valid).reshape(-1, num_points).unique(dim=0, return_inverse=True)
    )
    for index, pattern in enumerate(patterns):
        if not pattern.any():
            continue
        cell = torch.nonzero(pattern_of_hand == index), torch.nonzero(pattern)[:, 0]  # (M, 1), (P,)
        source, target = flat_pred[cell], flat_gt[cell]  # (M, P, 3)
        errors[cell] = keypoint_errors(align(source, target), target)
    return errors.reshape(valid.shape)


def accelerations(points: Tensor) -> Tensor:
    """Take the central second difference of consecutive frames, (T, ..., 3) -> (T-2, ..., 3)."""
    return points[:-2] - 2 * points[1:-1] + points[2:]


def area_under_pck(
    errors: Tensor, valid: Tensor, *, max_error: float = 0.05, num_steps: int = NUM_PCK_STEPS
) -> Tensor:
    """Integrate the share of correct keypoints over the error allowed, as FreiHAND's script does.

    The curve of each keypoint is integrated by trapezoids over ``num_steps`` thresholds from zero
    to ``max_error`` metres and normalised; then keypoints are averaged (Zimmermann et al. 2019).

    Args:
        errors: (N, J) metres.
        valid: (N, J) bool; a keypoint that no hand has is left out of the average.

    Returns:
        scalar in [0, 1].
    """
    has_data = valid.any(dim=0)  # (J,)
    errors, valid = errors[:, has_data], valid[:, has_data]
    thresholds = torch.linspace(0, max_error, num_steps, dtype=errors.dtype, device=errors.device)
    correct = torch.stack([((errors <= limit) & valid).sum(dim=0) for limit in thresholds])
    curve = correct.to(errors.dtype) / valid.sum(dim=0)  # (num_steps, J)
    return (torch.trapezoid(curve, thresholds, dim=0) / max_error).mean()


def mean_of_keypoint_means(errors: Tensor, valid: Tensor) -> Tensor:
    """Average the hands of each keypoint, then the keypoints: the "macro" mean of official scripts.

    A keypoint that few hands have weighs as much as any other, unlike in ``mean_of_valid``. So do
    wrists, whose root-relative errors are zero, in InterHand2.6M's MPJPE.

    Args:
        errors: (N, J) metres.
        valid: (N, J) bool; a keypoint that no hand has is left out of the average.

    Returns:
        scalar, metres.
    """
    has_data = valid.any(dim=0)  # (J,)
    assert has_data.any(), "nothing to average"
    errors, valid = errors[:, has_data], valid[:, has_data]
    sums = torch.where(valid, errors, 0).sum(dim=0)  # (J,)
    return (sums / valid.sum(dim=0)).mean()


def mean_of_valid(values: Tensor, mask: Tensor) -> Tensor:
    """Average what the mask keeps; the caller makes sure that it keeps something."""
    assert mask.any(), "nothing to average"
    return values[mask].mean()
