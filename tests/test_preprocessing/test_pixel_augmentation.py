import torch

from handvit.preprocessing import PixelAugmentation
from handvit.registry import MODELS


def clips(num_clips: int = 4, num_frames: int = 3) -> torch.Tensor:
    """The same grey noise in every frame, (B, T, 3, 32, 32)."""
    return (0.3 + 0.4 * torch.rand(1, 1, 3, 32, 32)).expand(num_clips, num_frames, -1, -1, -1)


def test_no_range_means_no_change():
    crop = clips()
    same = MODELS.build(dict(type="PixelAugmentation"))(crop)
    torch.testing.assert_close(same, crop, rtol=0, atol=1e-5)


def test_frames_of_a_clip_change_alike_and_clips_do_not():
    augmentation = PixelAugmentation(brightness=0.3, contrast=0.3, saturation=0.3, hue=0.1)
    varied = augmentation(clips())
    torch.testing.assert_close(varied, varied[:, :1].expand_as(varied))
    assert len(varied[:, 0, 0, 0, 0].unique()) == 4


def test_values_stay_in_range():
    augmentation = PixelAugmentation(brightness=0.9, noise_std=0.5, erase_probability=1.0)
    varied = augmentation(clips())
    assert varied.shape == (4, 3, 3, 32, 32)
    assert varied.min() >= 0 and varied.max() <= 1


def test_brightness_scales_within_its_range():
    crop = clips(32, 1)
    scale = PixelAugmentation(brightness=0.2)(crop).mean((1, 2, 3, 4)) / crop.mean((1, 2, 3, 4))
    assert 0.8 <= scale.min() < 0.9 and 1.1 < scale.max() <= 1.2001


def test_noise_has_its_deviation_and_meets_half_of_the_clips():
    crop = clips(32, 1)
    deviation = (PixelAugmentation(noise_std=0.05)(crop) - crop).std((1, 2, 3, 4))
    noisy = deviation > 0.01
    assert 8 < noisy.sum() < 24
    torch.testing.assert_close(
        deviation[noisy], torch.full_like(deviation[noisy], 0.05), rtol=0.1, atol=0
    )


def test_blur_smooths_and_erasing_paints_a_grey_box():
    crop = clips(4, 1)
    blurred = PixelAugmentation(blur_probability=1.0)(crop)
    assert (blurred.std((3, 4)) < crop.std((3, 4))).all()
    erased = PixelAugmentation(erase_probability=1.0)(crop) == 0.5
    share = erased.all(2).float().mean((1, 2, 3))
    assert (share > 0.01).all() and (share < 0.2).all()
