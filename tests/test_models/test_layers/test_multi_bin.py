import pytest
import torch
import torch.nn.functional as F

from handvit.models.layers import Bins, MultiBin


@pytest.mark.parametrize("shape", [(), (5,), (2, 3)])
def test_a_value_survives_the_round_trip(shape):
    """The right bin and the rest as its residual; beyond the ends too."""
    layer = MultiBin(16, low=-0.71, high=0.75, num_bins=8)
    torch.nn.init.zeros_(layer.linear.bias)
    with torch.no_grad():
        layer.linear.weight.copy_(torch.eye(16))
    value = 4 * torch.rand(shape) - 2
    index = layer.index(value)
    residual = (value - layer.centers[index]) / layer.width
    token = torch.cat([60.0 * F.one_hot(index, 8), residual[..., None].expand(*shape, 8)], -1)
    bins = layer(token)
    torch.testing.assert_close(bins.mean, value, rtol=0, atol=1e-4 * 1.46)
    assert (bins.std < 1e-4).all()


def test_index_by_hand():
    layer = MultiBin(4, low=0.0, high=4.0, num_bins=4)
    value = torch.tensor([-9.0, -0.1, 0.0, 0.99, 1.0, 3.99, 4.0, 1e30])
    assert layer.index(value).tolist() == [0, 0, 0, 0, 1, 3, 3, 3]


def test_mean_and_std_by_hand():
    bins = Bins(torch.tensor([0.0, 0.0, -100.0]), torch.tensor([1.0, 5.0, 70.0]))
    torch.testing.assert_close(bins.mean, torch.tensor(3.0))
    torch.testing.assert_close(bins.std, torch.tensor(2.0))


def test_untrained_layer_says_the_middle():
    bins = MultiBin(8, low=2.0, high=6.0, num_bins=5)(torch.randn(3, 8))
    torch.testing.assert_close(bins.mean, torch.full((3,), 4.0))


def test_gradients_are_finite_when_one_bin_is_certain():
    logits = torch.tensor([300.0, 0.0], requires_grad=True)
    Bins(logits, torch.tensor([1.0, 2.0])).std.backward()
    assert logits.grad.isfinite().all()


def test_centers_stay_out_of_checkpoints():
    layer = MultiBin(4, low=0.0, high=1.0, num_bins=2)
    assert set(layer.state_dict()) == {"linear.weight", "linear.bias"}
