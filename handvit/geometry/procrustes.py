"""Align point sets by a similarity, for the metrics called "PA"."""

import torch
from torch import Tensor

from handvit.geometry.matrices import matrix_product, transform_points


def similarity_transform(source: Tensor, target: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Find the similarity that moves source onto target with the least squared error.

    Umeyama 1991, eq. 40-43: ``target ~ scale * R source + translation`` with a proper rotation
    (det R = +1). A source whose points coincide gets scale 0.

    Args:
        source: (..., N, 3).
        target: (..., N, 3).

    Returns:
        scale (...), rotation (..., 3, 3), translation (..., 3).
    """
    left, singular, right = _cross_covariance_svd(source, target)
    sign = torch.linalg.det(left).sign() * torch.linalg.det(right).sign()  # (...)
    signs = torch.stack([torch.ones_like(sign), torch.ones_like(sign), sign], dim=-1)  # (..., 3)
    return _similarity(source, target, left * signs[..., None, :], singular * signs, right)


def align_similarity(source: Tensor, target: Tensor) -> Tensor:
    """Move source onto target by the best similarity without reflection, (..., N, 3)."""
    return _apply_similarity(source, *similarity_transform(source, target))


def align_similarity_reflecting(source: Tensor, target: Tensor) -> Tensor:
    """Move source onto target by the best similarity, reflections allowed, (..., N, 3).

    The evaluation scripts of FreiHAND and HO3D align this way; use it to reproduce their numbers
    only, since a mirrored hand scores as a perfect one.
    """
    return _apply_similarity(
        source, *_similarity(source, target, *_cross_covariance_svd(source, target))
    )


def _cross_covariance_svd(source: Tensor, target: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    source_centred = source - source.mean(-2, keepdim=True)
    target_centred = target - target.mean(-2, keepdim=True)
    covariance = matrix_product(target_centred.transpose(-1, -2), source_centred)  # (..., 3, 3)
    return torch.linalg.svd(covariance)


def _similarity(
    source: Tensor, target: Tensor, left: Tensor, singular: Tensor, right: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Assemble scale, rotation and translation from the (sign-corrected) SVD."""
    rotation = matrix_product(left, right)
    source_mean, target_mean = source.mean(-2), target.mean(-2)
    spread = (source - source_mean[..., None, :]).square().sum((-1, -2))  # (...)
    scale = singular.sum(-1) / spread.clamp_min(torch.finfo(spread.dtype).tiny)
    moved_mean = transform_points(rotation, source_mean[..., None, :]).squeeze(-2)
    return scale, rotation, target_mean - scale[..., None] * moved_mean


def _apply_similarity(
    source: Tensor, scale: Tensor, rotation: Tensor, translation: Tensor
) -> Tensor:
    moved = transform_points(rotation, source)
    return scale[..., None, None] * moved + translation[..., None, :]
