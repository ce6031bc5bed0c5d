import pytest
import torch

from handvit.registry import MODELS


@pytest.fixture
def loss():
    return MODELS.build(dict(type="Vertex3DLoss", weight=5.0))


def moved(pred, metres: float):
    """Move one vertex of the first hand by ``metres`` in x and in z."""
    vertices_cam = pred.vertices_cam.clone()
    vertices_cam[0, 0, 500] += torch.tensor([metres, 0.0, -metres])
    return pred._replace(vertices_cam=vertices_cam)


def test_perfect_prediction_costs_nothing(loss, perfect, target):
    torch.testing.assert_close(loss(perfect, target), torch.tensor(0.0), rtol=0, atol=1e-6)


def test_weight_is_per_metre(loss, perfect, target):
    wanted = torch.tensor(5.0 * 2 * 0.5 / 778 / 2)
    torch.testing.assert_close(loss(moved(perfect, 0.5), target), wanted, rtol=0, atol=1e-6)


def test_other_distance(perfect, target):
    distance = dict(type="L2Distance")
    loss = MODELS.build(dict(type="Vertex3DLoss", weight=5.0, distance=distance))
    wanted = torch.tensor(5.0 * 2**0.5 * 0.5 / 778 / 2)
    torch.testing.assert_close(loss(moved(perfect, 0.5), target), wanted, rtol=0, atol=1e-6)


def test_place_of_the_hand_does_not_matter(loss, perfect, target):
    shift = torch.tensor([0.3, -0.2, 1.0])
    mano = perfect.mano._replace(root_cam=perfect.mano.root_cam + shift)
    pred = perfect._replace(mano=mano, vertices_cam=perfect.vertices_cam + shift)
    torch.testing.assert_close(loss(pred, target), torch.tensor(0.0), rtol=0, atol=1e-5)


def test_unlabelled_hands_do_not_count(loss, perfect, target, relabel):
    half = relabel(target, mano_valid=torch.tensor([[False], [True]]))
    value = loss(moved(perfect, 0.5), half)
    torch.testing.assert_close(value, torch.tensor(0.0), rtol=0, atol=1e-6)


def test_nothing_labelled_gives_zero_and_no_gradient(loss, perfect, target, relabel):
    vertices_cam = (perfect.vertices_cam + 0.1).requires_grad_()
    pred = perfect._replace(vertices_cam=vertices_cam)
    value = loss(pred, relabel(target, mano_valid=torch.zeros(2, 1, dtype=torch.bool)))
    value.backward()
    assert value == 0 and not vertices_cam.grad.any()
