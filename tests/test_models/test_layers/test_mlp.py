import torch

from handvit.models.layers import Mlp


def test_hand_computed_value():
    mlp = Mlp(2, 2)
    torch.nn.init.eye_(mlp.widen.weight)
    torch.nn.init.eye_(mlp.narrow.weight)
    torch.nn.init.zeros_(mlp.widen.bias)
    torch.nn.init.constant_(mlp.narrow.bias, 1.0)
    # GELU(1) = 0.84134, GELU(-1) = -0.15866.
    wanted = torch.tensor([[[1.84134, 0.84134]]])
    torch.testing.assert_close(mlp(torch.tensor([[[1.0, -1.0]]])), wanted, rtol=0, atol=1e-4)


def test_any_leading_dims():
    assert Mlp(4, 8)(torch.randn(2, 3, 5, 4)).shape == (2, 3, 5, 4)


def test_dropout_acts_in_training_only():
    mlp = Mlp(16, 64, dropout=0.5)
    x = torch.randn(3, 16)
    assert not torch.equal(mlp(x), mlp(x))
    mlp.eval()
    assert torch.equal(mlp(x), mlp(x))
