import math

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from handvit.models.layers import Bins, MultiBin
from handvit.models.losses import MultiBinLoss


@pytest.mark.parametrize("shape", [(), (5,), (2, 3)])
def test_a_value_survives_the_round_trip(shape):
    """The right bin and the rest as its residual; beyond the ends too."""
    layer = MultiBin(16, low=-0.71, high=0.75, num_bins=8)
    with torch.no_grad():
        layer.linear.weight.copy_(torch.eye(16))
    value = 4 * torch.rand(shape) - 2
    index = layer.index(value)
    residual = (value - layer.centers[index]) / layer.width
    token = torch.cat([60.0 * F.one_hot(index, 8), residual[..., None].expand(*shape, 8)], -1)
    bins = layer(token)
    torch.testing.assert_close(bins.mean, value, rtol=0, atol=1e-4 * 1.46)


def test_index_by_hand():
    layer = MultiBin(4, low=0.0, high=4.0, num_bins=4)
    value = torch.tensor([-9.0, -0.1, 0.0, 0.99, 1.0, 3.99, 4.0, 1e30])
    assert layer.index(value).tolist() == [0, 0, 0, 0, 1, 3, 3, 3]


def test_mean_and_std_by_hand():
    """Two values four apart, each spread by 1.5: sqrt(2^2 + 1.5^2) = 2.5."""
    bins = Bins(
        torch.tensor([0.0, 0.0, -100.0]), torch.tensor([1.0, 5.0, 70.0]), torch.full((3,), 1.5)
    )
    torch.testing.assert_close(bins.mean, torch.tensor(3.0))
    torch.testing.assert_close(bins.std, torch.tensor(2.5))


def test_untrained_layer_says_the_middle_and_spreads_of_a_bin():
    bins = MultiBin(8, low=2.0, high=6.0, num_bins=5)(torch.randn(3, 8))
    torch.testing.assert_close(bins.mean, torch.full((3,), 4.0))
    torch.testing.assert_close(bins.spreads, torch.full((3, 5), 0.8))


def test_spreads_do_not_train_the_token():
    token = torch.randn(3, 8, requires_grad=True)
    layer = MultiBin(8, low=0.0, high=1.0, num_bins=2)
    layer(token).spreads.sum().backward()
    assert token.grad is None
    assert layer.to_spreads.weight.grad.any()


@pytest.mark.parametrize("noise", [0.02, 0.1])
def test_std_is_calibrated_on_values_it_never_saw(noise):
    """Also where the noise is far below the width of a bin, 0.18."""
    generator = torch.Generator().manual_seed(0)

    def draw(count: int) -> tuple[torch.Tensor, torch.Tensor]:
        token = torch.randn(count, 4, generator=generator)
        error = noise * torch.randn(count, generator=generator)
        return token, 0.3 * token[:, 0].tanh() + error

    body = nn.Sequential(nn.Linear(4, 64), nn.GELU())
    layer = MultiBin(64, low=-0.71, high=0.75, num_bins=8)
    loss = MultiBinLoss(bin_weight=1.0, residual_weight=10.0, spread_weight=1.0)
    optimizer = torch.optim.Adam([*body.parameters(), *layer.parameters()], lr=5e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 1e-2, 600)
    for _ in range(600):
        token, value = draw(256)
        bins = layer(body(token))
        terms = loss(bins, layer.index(value), value, torch.ones(256, dtype=torch.bool))
        optimizer.zero_grad()
        sum(terms.values()).backward()
        optimizer.step()
        schedule.step()
    token, value = draw(4000)
    bins = layer(body(token))
    inside = (bins.mean - value).abs() < 1.645 * bins.std
    assert 0.85 < inside.float().mean() < 0.95
    ratio = bins.std.mean() / (bins.mean - value).square().mean().sqrt()
    assert math.log(1.3) > ratio.log().abs()


@pytest.mark.parametrize(("low", "high", "num_bins"), [(1.0, 1.0, 4), (0.0, 1.0, 0)])
def test_no_bins_are_refused(low, high, num_bins):
    with pytest.raises(ValueError, match="are none"):
        MultiBin(4, low=low, high=high, num_bins=num_bins)


def test_centers_stay_out_of_checkpoints():
    layer = MultiBin(4, low=0.0, high=1.0, num_bins=2)
    names = {f"{part}.{kind}" for part in ("linear", "to_spreads") for kind in ("weight", "bias")}
    assert set(layer.state_dict()) == names
