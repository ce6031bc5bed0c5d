import pytest
import torch

from handvit.geometry.boxes import (
    bbox_center,
    bbox_from_center_size,
    bbox_from_points,
    bbox_size,
    mirror_bbox,
    square_bbox,
)

BBOX = torch.tensor([10.0, 20.0, 40.0, 30.0])


def test_hand_computed():
    assert bbox_center(BBOX).tolist() == [25, 25]
    assert bbox_size(BBOX).tolist() == [30, 10]
    assert square_bbox(BBOX, 2.0).tolist() == [-5, -5, 55, 55]
    assert mirror_bbox(BBOX, 100).tolist() == [59, 20, 89, 30]


def test_whole_image_mirrors_onto_itself():
    whole = torch.tensor([-0.5, -0.5, 639.5, 479.5])
    assert mirror_bbox(whole, 640).tolist() == whole.tolist()


@pytest.mark.parametrize("leading", [(), (3,), (2, 4)])
def test_points_box_ignores_invalid_points(leading):
    points = torch.randn(*leading, 21, 2, dtype=torch.float64)
    valid = torch.ones(*leading, 21, dtype=torch.bool)
    valid[..., 3:7] = False
    spoiled = points.clone()
    spoiled[..., 3:7, :] = 1e6
    kept = points[valid].reshape(*leading, 17, 2)
    result = bbox_from_points(spoiled, valid)
    assert result.shape == (*leading, 4)
    torch.testing.assert_close(result, torch.cat([kept.amin(-2), kept.amax(-2)], dim=-1))


def test_points_box_needs_a_valid_point():
    valid = torch.tensor([[True, False], [False, False]])
    with pytest.raises(AssertionError, match="valid point"):
        bbox_from_points(torch.zeros(2, 2, 2), valid)


@pytest.mark.parametrize("leading", [(), (3,), (2, 4)])
def test_round_trips_and_shapes(leading):
    low = torch.randn(*leading, 2, dtype=torch.float64)
    bbox = torch.cat([low, low + torch.rand(*leading, 2) + 0.1], dim=-1)
    again = bbox_from_center_size(bbox_center(bbox), bbox_size(bbox))
    torch.testing.assert_close(again, bbox)
    width = torch.randint(50, 100, leading)
    torch.testing.assert_close(mirror_bbox(mirror_bbox(bbox, width), width), bbox)


def test_square_with_one_factor_for_each_box():
    boxes = BBOX.expand(2, 4)
    result = square_bbox(boxes, torch.tensor([1.0, 3.0]))
    assert bbox_size(result).tolist() == [[30, 30], [90, 90]]
    assert bbox_center(result).tolist() == [[25, 25], [25, 25]]


def test_mirrored_box_is_the_box_of_mirrored_points():
    points = 50 * torch.rand(3, 21, 2, dtype=torch.float64)
    valid = torch.ones(3, 21, dtype=torch.bool)
    mirrored = torch.stack([63 - points[..., 0], points[..., 1]], dim=-1)
    expected = bbox_from_points(mirrored, valid)
    torch.testing.assert_close(mirror_bbox(bbox_from_points(points, valid), 64), expected)


def test_gradients():
    points = torch.randn(2, 5, 2, dtype=torch.float64, requires_grad=True)
    valid = torch.ones(2, 5, dtype=torch.bool)
    assert torch.autograd.gradcheck(lambda p: square_bbox(bbox_from_points(p, valid), 2.0), points)
