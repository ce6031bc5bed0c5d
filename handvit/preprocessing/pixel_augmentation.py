"""Vary the pixels of training crops: light, sharpness, noise, occlusion."""

from torch import Tensor, nn

from handvit.registry import MODELS


@MODELS.register_module()
class PixelAugmentation(nn.Module):
    """Change colours alike over a clip; blur, add noise to and erase parts of some clips.

    Built on Kornia's augmentations, so it runs on the device in batches.
    """

    def __init__(
        self,
        *,
        brightness: float = 0.0,
        contrast: float = 0.0,
        saturation: float = 0.0,
        hue: float = 0.0,
        blur_probability: float = 0.0,
        noise_std: float = 0.0,
        erase_probability: float = 0.0,
    ) -> None:
        """Set the ranges.

        Args:
            brightness: half width of the factor around 1; likewise ``contrast``, ``saturation``.
            hue: half width of the turn, as a fraction of the colour circle (at most 0.5).
            blur_probability: of a 5 px Gaussian blur with a sigma of 0.3 to 1.5 px.
            noise_std: of Gaussian noise, for pixel values in [0, 1]; applied to half of the clips.
            erase_probability: of a grey box over 2 to 15 % of the crop.
        """
        super().__init__()
        from kornia import augmentation as K  # late: a second of start-up

        jitter = K.ColorJitter(
            brightness=(1 - brightness, 1 + brightness),
            contrast=(1 - contrast, 1 + contrast),
            saturation=(1 - saturation, 1 + saturation),
            hue=(-hue, hue),
        )
        blur = K.RandomGaussianBlur((5, 5), (0.3, 1.5), p=blur_probability)
        noise = K.RandomGaussianNoise(std=noise_std, p=0.5 if noise_std > 0 else 0.0)
        erase = K.RandomErasing((0.02, 0.15), (0.5, 2.0), value=0.5, p=erase_probability)
        self.sequence = K.VideoSequential(
            jitter, blur, noise, erase, data_format="BTCHW", same_on_frame=True
        )

    def forward(self, crop: Tensor) -> Tensor:
        """Return varied crops, (B, T, 3, S, S) in [0, 1]."""
        return self.sequence(crop).clamp(0, 1)
