import torch
import torch.nn.functional as F

from handvit.models.layers import Bins
from handvit.registry import MODELS

LOSS = dict(type="MultiBinLoss", bin_weight=0.5, residual_weight=2.0)


def test_equals_cross_entropy_and_l1_of_the_right_bin():
    bins = Bins(torch.randn(2, 3, 4), torch.randn(2, 3, 4))
    index, wanted = torch.randint(4, (2, 3)), torch.randn(2, 3)
    valid = torch.ones(2, 3, dtype=torch.bool)
    cross_entropy, residual = MODELS.build(LOSS)(bins, index, wanted, valid)
    expected = F.cross_entropy(bins.logits.flatten(0, 1), index.flatten())
    torch.testing.assert_close(cross_entropy, 0.5 * expected)
    rows = torch.arange(6)
    error = bins.values.flatten(0, 1)[rows, index.flatten()] - wanted.flatten()
    torch.testing.assert_close(residual, 2.0 * error.abs().mean())


def test_other_bins_get_no_residual_gradient():
    values = torch.zeros(1, 4, requires_grad=True)
    bins = Bins(torch.zeros(1, 4), values)
    valid = torch.ones(1, dtype=torch.bool)
    _, residual = MODELS.build(LOSS)(bins, torch.tensor([2]), torch.tensor([5.0]), valid)
    residual.backward()
    assert values.grad.tolist() == [[0, 0, -2, 0]]


def test_masked_hands_count_nothing():
    logits, values = torch.randn(2, 4, requires_grad=True), torch.randn(2, 4)
    index, wanted = torch.tensor([1, 3]), torch.tensor([0.1, torch.inf])
    loss = MODELS.build(LOSS)
    half = loss(Bins(logits, values), index, wanted, torch.tensor([True, False]))
    alone = loss(Bins(logits[:1], values[:1]), index[:1], wanted[:1], torch.tensor([True]))
    torch.testing.assert_close(half, alone)
    nothing = loss(Bins(logits, values), index, wanted, torch.tensor([False, False]))
    assert nothing == (0, 0)
    sum(nothing).backward()
    assert not logits.grad.any()
