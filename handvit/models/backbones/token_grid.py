"""Know how many tokens a crop gives, before a model drops or pads pixels."""

from torch import Tensor


def token_grid(crop: Tensor, stride: int) -> tuple[int, int]:
    """Return rows and columns of the tokens of crops (B, 3, S, S), ``stride`` px apart.

    Raises:
        ValueError: a side is no multiple of ``stride``.
    """
    height, width = crop.shape[-2:]
    if height % stride or width % stride:
        raise ValueError(
            f"backbone: crop_size {height}x{width} is no multiple of its tokens' side of {stride}"
            f" px; set crop_size={max(height // stride, 1) * stride}"
        )
    return height // stride, width // stride
