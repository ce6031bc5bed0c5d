import torch

from handvit.models.heads import FixedFocal, TrueFocal


def test_true_focal_is_the_crop_s(make_crops):
    crops = make_crops(2, 3)
    assert TrueFocal()(crops) is crops.focal_crop


def test_fixed_focal_grows_with_the_crop(make_crops):
    """5000 px for a crop of 256 px are 1250 px for one of 64 px."""
    crops = make_crops(2, 3)
    assert torch.equal(FixedFocal()(crops), torch.full((2, 3, 2), 1250.0))
    assert torch.equal(FixedFocal(focal=100.0, image_size=64)(crops), torch.full((2, 3, 2), 100.0))
