import numpy as np
import pytest
import torch
from scipy.linalg import orthogonal_procrustes
from scipy.spatial.transform import Rotation

from handvit.geometry.procrustes import (
    align_similarity,
    align_similarity_reflecting,
    similarity_transform,
)


def reference_proper(source: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Align one point set with SciPy's rotation solver and a scale by least squares."""
    source_centred, target_centred = source - source.mean(0), target - target.mean(0)
    rotation, _ = Rotation.align_vectors(target_centred, source_centred)
    rotated = rotation.apply(source_centred)
    scale = (rotated * target_centred).sum() / (rotated**2).sum()
    return scale * rotated + target.mean(0)


def reference_reflecting(source: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Align one point set with SciPy's orthogonal Procrustes solver, which may reflect."""
    source_mean, target_mean = source.mean(0), target.mean(0)
    source_size = np.linalg.norm(source - source_mean)
    target_size = np.linalg.norm(target - target_mean)
    source_unit = (source - source_mean) / source_size
    target_unit = (target - target_mean) / target_size
    orthogonal, scale = orthogonal_procrustes(source_unit, target_unit)
    return scale * source_unit @ orthogonal * target_size + target_mean


def noisy_pairs(num_pairs: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    source = rng.normal(size=(num_pairs, 21, 3))
    rotations = Rotation.from_quat(rng.normal(size=(num_pairs, 4))).as_matrix()
    target = 1.7 * np.einsum("bij,bnj->bni", rotations, source) + rng.normal(size=(num_pairs, 1, 3))
    return source, target + 0.2 * rng.normal(size=target.shape)


def mirrored(points: np.ndarray) -> np.ndarray:
    return points * np.array([-1.0, 1.0, 1.0])


@pytest.mark.parametrize(
    ("align", "reference"),
    [
        (align_similarity, reference_proper),
        (align_similarity_reflecting, reference_reflecting),
    ],
)
@pytest.mark.parametrize("change", [np.array, mirrored])
def test_agrees_with_a_reference_for_each_sample(align, reference, change):
    source, target = noisy_pairs(20)
    source = change(source)
    result = align(torch.from_numpy(source), torch.from_numpy(target)).numpy()
    for index in range(len(source)):
        expected = reference(source[index], target[index])
        np.testing.assert_allclose(result[index], expected, rtol=0, atol=1e-10)


def test_only_the_reflecting_version_undoes_a_mirror():
    target = torch.randn(4, 21, 3, dtype=torch.float64)
    source = torch.from_numpy(mirrored(target.numpy()))
    torch.testing.assert_close(align_similarity_reflecting(source, target), target)
    assert (align_similarity(source, target) - target).norm(dim=-1).mean() > 0.3
    _, rotation, _ = similarity_transform(source, target)
    torch.testing.assert_close(torch.linalg.det(rotation), torch.ones(4, dtype=torch.float64))


@pytest.mark.parametrize("leading", [(), (1,), (2, 3)])
def test_recovers_a_known_similarity(leading):
    source = torch.randn(*leading, 21, 3, dtype=torch.float64)
    known = torch.from_numpy(Rotation.from_rotvec([0.3, -1.0, 2.0]).as_matrix())
    offset = torch.tensor([1.0, 2.0, 3.0], dtype=torch.float64)
    target = 2.5 * source @ known.mT + offset
    scale, rotation, translation = similarity_transform(source, target)
    torch.testing.assert_close(scale, torch.full(leading, 2.5, dtype=torch.float64))
    torch.testing.assert_close(rotation, known.expand(*leading, 3, 3))
    torch.testing.assert_close(translation, offset.expand(*leading, 3))
    torch.testing.assert_close(align_similarity(source, target), target)


def test_identity():
    points = torch.randn(21, 3, dtype=torch.float64)
    scale, rotation, translation = similarity_transform(points, points)
    torch.testing.assert_close(scale, torch.ones((), dtype=torch.float64))
    torch.testing.assert_close(rotation, torch.eye(3, dtype=torch.float64))
    torch.testing.assert_close(translation, torch.zeros(3, dtype=torch.float64))


def test_flat_hand_gets_a_proper_rotation():
    source = torch.randn(8, 21, 3, dtype=torch.float64) * torch.tensor([1.0, 1.0, 0.0])
    target = source.flip(0)
    _, rotation, _ = similarity_transform(source, target)
    torch.testing.assert_close(torch.linalg.det(rotation), torch.ones(8, dtype=torch.float64))


def test_collapsed_source_moves_to_the_mean():
    target = torch.randn(21, 3, dtype=torch.float64)
    aligned = align_similarity(torch.ones(21, 3, dtype=torch.float64), target)
    torch.testing.assert_close(aligned, target.mean(0).expand(21, 3))


def test_gradient():
    source, target = (torch.from_numpy(points).requires_grad_() for points in noisy_pairs(2))
    assert torch.autograd.gradcheck(align_similarity, (source, target))
