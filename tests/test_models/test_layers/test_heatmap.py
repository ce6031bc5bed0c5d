import pytest
import torch

from handvit.models.layers import LineHeatmap, PlaneHeatmap, heatmap_std, soft_argmax
from handvit.models.layers.heatmap import cell_centers


def blob(cells: torch.Tensor, place: torch.Tensor, std: float) -> torch.Tensor:
    """Logits of a Gaussian, (..., K)."""
    return -((cells - place[..., None, :]) / std).square().sum(-1) / 2


def test_cells_fill_the_interval():
    torch.testing.assert_close(cell_centers(-1.0, 1.0, 4), torch.tensor([-0.75, -0.25, 0.25, 0.75]))


def test_plane_cells_run_row_by_row():
    cells = PlaneHeatmap(4, low=0.0, high=1.0, cells_per_side=2).cells
    wanted = [[0.25, 0.25], [0.75, 0.25], [0.25, 0.75], [0.75, 0.75]]  # (u, v)
    assert cells.tolist() == wanted


@pytest.mark.parametrize("shape", [(), (5,), (2, 3)])
def test_a_place_survives_the_round_trip_on_a_line(shape):
    """To 1e-4 of the range, wherever the blob lies inside."""
    cells = LineHeatmap(4, low=-5.0, high=5.0, num_cells=512).cells.double()
    place = 9 * torch.rand(*shape, 1, dtype=torch.float64) - 4.5
    logits = blob(cells, place, 0.1)
    torch.testing.assert_close(soft_argmax(logits, cells), place, rtol=0, atol=1e-4 * 10)
    wanted = torch.full_like(place, 0.1)
    torch.testing.assert_close(heatmap_std(logits, cells), wanted, rtol=0, atol=1e-3)


def test_a_place_survives_the_round_trip_on_a_plane():
    cells = PlaneHeatmap(4, low=-0.25, high=1.25, cells_per_side=32).cells.double()
    place = torch.rand(50, 2, dtype=torch.float64)
    found = soft_argmax(blob(cells, place, 0.05), cells)
    torch.testing.assert_close(found, place, rtol=0, atol=1e-4 * 1.5)


def test_std_by_hand():
    """Half of the mass at -1 and half at 3."""
    cells = torch.tensor([[-1.0], [3.0]])
    torch.testing.assert_close(heatmap_std(torch.zeros(2), cells), torch.tensor([2.0]))
    assert soft_argmax(torch.zeros(2), cells).item() == 1.0


def test_std_is_finite_with_a_gradient_when_all_mass_is_in_one_cell():
    logits = torch.tensor([200.0, 0.0], requires_grad=True)
    std = heatmap_std(logits, torch.tensor([[-1.0], [3.0]]))
    std.sum().backward()
    assert std < 1e-5 and logits.grad.isfinite().all()


def test_untrained_line_says_the_middle():
    heatmap = LineHeatmap(8, low=2.0, high=4.0, num_cells=100)
    place = soft_argmax(heatmap(torch.randn(3, 8)), heatmap.cells)
    torch.testing.assert_close(place, torch.full((3, 1), 3.0), rtol=0, atol=0.01)


@pytest.mark.parametrize(
    "layer",
    [
        LineHeatmap(4, low=0.0, high=1.0, num_cells=3),
        PlaneHeatmap(4, low=0.0, high=1.0, cells_per_side=2),
    ],
)
def test_cells_stay_out_of_checkpoints(layer):
    assert set(layer.state_dict()) == {"to_logits.weight", "to_logits.bias"}


@pytest.mark.parametrize(
    ("low", "high", "num"), [(0.0, 1.0, 0), (0.0, 1.0, -1), (1.0, 1.0, 4), (2.0, 1.0, 4)]
)
def test_empty_heatmaps_are_refused(low, high, num):
    message = rf"{num} cells over \[{low}, {high}\] are none"
    with pytest.raises(ValueError, match=message):
        LineHeatmap(4, low=low, high=high, num_cells=num)
    with pytest.raises(ValueError, match=message):
        PlaneHeatmap(4, low=low, high=high, cells_per_side=num)
