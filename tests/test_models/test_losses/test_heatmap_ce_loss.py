import math

import pytest
import torch

from handvit.models.layers.heatmap import cell_centers
from handvit.models.losses.heatmap_ce_loss import HeatmapCELoss, heatmap_cross_entropy
from handvit.registry import MODELS


def plane(num: int) -> torch.Tensor:
    line = cell_centers(0.0, 1.0, num).double()
    return torch.cartesian_prod(line, line)


@pytest.mark.parametrize("dims", [(), (4,), (2, 3)])
@pytest.mark.parametrize("cells", [cell_centers(0.0, 1.0, 50).double()[:, None], plane(7)])
def test_equals_a_reference_that_knows_targets(dims, cells):
    logits = torch.randn(*dims, len(cells), dtype=torch.float64)
    place = torch.rand(*dims, cells.shape[-1], dtype=torch.float64)
    found = heatmap_cross_entropy(logits, cells, place, 0.1)
    density = torch.distributions.Normal(place[..., None, :], 0.1).log_prob(cells).sum(-1).exp()
    target = density / density.sum(-1, keepdim=True)
    flat = target.reshape(-1, len(cells))
    wanted = torch.nn.functional.cross_entropy(
        logits.reshape(-1, len(cells)), flat, reduction="none"
    )
    torch.testing.assert_close(found.flatten(), wanted)


def test_no_idea_costs_the_log_of_the_number_of_cells():
    cells = cell_centers(0.0, 1.0, 8)[:, None]
    found = heatmap_cross_entropy(torch.zeros(8), cells, torch.tensor([0.3]), 0.05)
    torch.testing.assert_close(found, torch.tensor(math.log(8)))


def test_the_blob_itself_costs_least():
    cells, place = cell_centers(0.0, 1.0, 20).double()[:, None], torch.tensor([0.33]).double()
    blob = (-((cells[:, 0] - place) / 0.1).square() / 2).requires_grad_()
    heatmap_cross_entropy(blob, cells, place, 0.1).backward()
    assert blob.grad.abs().max() < 1e-12


def test_gradient():
    cells = plane(3)
    place = torch.tensor([0.2, 0.7], dtype=torch.float64)
    logits = torch.randn(9, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: heatmap_cross_entropy(x, cells, place, 0.2), logits)


def test_weight_and_mask():
    loss = MODELS.build(dict(type="HeatmapCELoss", weight=0.5, std=0.1))
    cells, logits = cell_centers(0.0, 1.0, 8)[:, None], torch.randn(3, 8, requires_grad=True)
    place = torch.tensor([[0.3], [0.5], [torch.inf]])
    valid = torch.tensor([True, False, False])
    found = loss(logits, cells, place, valid)
    alone = heatmap_cross_entropy(logits[0], cells, place[0], 0.1)
    torch.testing.assert_close(found, 0.5 * alone)
    nothing = loss(logits, cells, torch.zeros(3, 1), torch.zeros(3, dtype=torch.bool))
    assert nothing == 0
    nothing.backward()
    assert not logits.grad.any()


@pytest.mark.parametrize("std", [0.0, -0.1])
def test_a_blob_without_a_size_is_refused(std):
    with pytest.raises(ValueError, match=f"HeatmapCELoss: std={std} must be positive"):
        HeatmapCELoss(weight=1.0, std=std)
