import pytest
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


@pytest.mark.parametrize("change", [dict(focal=0.0), dict(focal=-1.0), dict(image_size=0)])
def test_a_camera_without_a_focal_length_is_refused(change):
    (name, value) = next(iter(change.items()))
    with pytest.raises(ValueError, match=f"{name}={value}.* must be positive"):
        FixedFocal(**change)
