import math

import torch
import torch.nn.functional as F

from handvit.models.layers import Bins
from handvit.registry import MODELS

LOSS = dict(type="MultiBinLoss", bin_weight=0.5, residual_weight=2.0, spread_weight=0.1)


def make_bins(*shape: int) -> Bins:
    return Bins(torch.randn(*shape, 4), torch.randn(*shape, 4), 0.1 + torch.rand(*shape, 4))


def test_equals_references_of_the_right_bin():
    bins = make_bins(2, 3)
    index, wanted = torch.randint(4, (2, 3)), torch.randn(2, 3)
    valid = torch.ones(2, 3, dtype=torch.bool)
    terms = MODELS.build(LOSS)(bins, index, wanted, valid)
    expected = F.cross_entropy(bins.logits.flatten(0, 1), index.flatten())
    torch.testing.assert_close(terms["loss_root_bin"], 0.5 * expected)
    rows, chosen = torch.arange(6), index.flatten()
    value, spread = (x.flatten(0, 1)[rows, chosen] for x in (bins.values, bins.spreads))
    error = (value - wanted.flatten()).abs()
    torch.testing.assert_close(terms["loss_root_residual"], 2.0 * error.mean())
    laplace = torch.distributions.Laplace(value, spread / math.sqrt(2))
    likelihood = -laplace.log_prob(wanted.flatten()).mean()
    torch.testing.assert_close(terms["loss_root_spread"], 0.1 * likelihood)


def test_only_the_right_bin_gets_a_residual_and_a_spread_gradient():
    values, spreads = torch.zeros(1, 4, requires_grad=True), torch.ones(1, 4, requires_grad=True)
    bins = Bins(torch.zeros(1, 4), values, spreads)
    valid = torch.ones(1, dtype=torch.bool)
    terms = MODELS.build(LOSS)(bins, torch.tensor([2]), torch.tensor([5.0]), valid)
    terms["loss_root_spread"].backward(retain_graph=True)
    assert values.grad is None or not values.grad.any()
    assert spreads.grad[0].ne(0).tolist() == [False, False, True, False]
    terms["loss_root_residual"].backward()
    assert values.grad.tolist() == [[0, 0, -2, 0]]


def test_masked_hands_count_nothing():
    bins = make_bins(2)
    bins = bins._replace(logits=bins.logits.requires_grad_())
    index, wanted = torch.tensor([1, 3]), torch.tensor([0.1, torch.inf])
    loss = MODELS.build(LOSS)
    half = loss(bins, index, wanted, torch.tensor([True, False]))
    alone = loss(Bins(*(x[:1] for x in bins)), index[:1], wanted[:1], torch.tensor([True]))
    for name, value in half.items():
        torch.testing.assert_close(value, alone[name])
    nothing = loss(bins, index, wanted, torch.tensor([False, False]))
    assert all(value == 0 for value in nothing.values())
    sum(nothing.values()).backward()
    assert not bins.logits.grad.any()
