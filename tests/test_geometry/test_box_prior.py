import torch

from handvit.geometry.box_prior import box_prior


def test_a_hand_computed_value():
    bbox = torch.tensor([10.0, 20.0, 50.0, 110.0])  # 40 x 90, centre (30, 65)
    found = box_prior(bbox, torch.tensor([100.0, 400.0]), torch.tensor([0.0, 65.0]))
    torch.testing.assert_close(found, torch.tensor([0.3, 0.0, 1.0]) * 200 / 60)


def test_a_resize_of_the_image_changes_nothing():
    bbox = torch.tensor([[10.0, 20.0, 50.0, 110.0], [0.0, 0.0, 30.0, 30.0]]).double()
    focal, princpt = torch.tensor([300.0, 310.0]).double(), torch.tensor([80.0, 70.0]).double()
    small = box_prior(bbox, focal, princpt)
    large = box_prior((bbox + 0.5) * 3 - 0.5, focal * 3, (princpt + 0.5) * 3 - 0.5)
    torch.testing.assert_close(small, large)


def test_leading_dimensions_and_gradients():
    bbox = torch.tensor([10.0, 20.0, 50.0, 110.0]).expand(2, 3, 4).clone().requires_grad_()
    focal = torch.full((2, 3, 2), 300.0)
    found = box_prior(bbox, focal, focal / 4)
    assert found.shape == (2, 3, 3)
    found.sum().backward()
    assert bbox.grad.isfinite().all()
