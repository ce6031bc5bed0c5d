import pytest
import torch

from handvit.registry import MODELS


@pytest.fixture
def loss():
    return MODELS.build(dict(type="ManoShapeLoss", weight=3.0))


def with_betas(pred, betas: torch.Tensor):
    return pred._replace(mano=pred.mano._replace(betas=betas))


def changed_betas(pred) -> torch.Tensor:
    """Beta 2 of the first hand off by 1.5, all betas of the second by -1."""
    betas = pred.mano.betas.clone()
    betas[0, 0, 2] += 1.5
    betas[1] -= 1
    return betas


def test_perfect_prediction_costs_nothing(loss, perfect, target):
    assert loss(perfect, target) == 0


def test_weight_is_per_standard_deviation(loss, perfect, target):
    value = loss(with_betas(perfect, changed_betas(perfect)), target)
    torch.testing.assert_close(value, torch.tensor(3.0 * (0.15 + 1) / 2))


@pytest.mark.parametrize(
    ("distance", "costs"),
    [
        (dict(type="L2Distance"), [1.5, 10**0.5]),
        (dict(type="SmoothL1Distance", beta=1.0), [1.0, 10 * 0.5]),
    ],
)
def test_other_distances(distance, costs, perfect, target):
    loss = MODELS.build(dict(type="ManoShapeLoss", weight=3.0, distance=distance))
    value = loss(with_betas(perfect, changed_betas(perfect)), target)
    torch.testing.assert_close(value, torch.tensor(3.0 * sum(costs) / 10 / 2))


def test_unlabelled_hands_do_not_count(loss, perfect, target, relabel):
    half = relabel(target, mano_valid=torch.tensor([[True], [False]]))
    value = loss(with_betas(perfect, changed_betas(perfect)), half)
    torch.testing.assert_close(value, torch.tensor(3.0 * 0.15))


def test_nothing_labelled_gives_zero_and_no_gradient(loss, perfect, target, relabel):
    betas = changed_betas(perfect).requires_grad_()
    nothing = relabel(target, mano_valid=torch.zeros(2, 1, dtype=torch.bool))
    value = loss(with_betas(perfect, betas), nothing)
    value.backward()
    assert value == 0 and not betas.grad.any()
