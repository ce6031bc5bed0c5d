"""Let networks compute in half precision, on every device alike.

Weights, their gradients and the optimizer stay in float32. So do geometry, warps, the hand model,
everything behind the decoder, and losses, which turn autocast off or use no product that it rounds.
"""

import torch
from mmengine.device import get_device

_DTYPES = {"bfloat16": torch.bfloat16, "float16": torch.float16}


def autocast(dtype: str) -> torch.autocast:
    """Return the context in which matrix products and convolutions run in ``dtype``.

    Args:
        dtype: ``bfloat16``, with the range of float32 and 8 bits of precision, or ``float16``, with
            11 bits and a range from 6e-8 to 65504, so that small gradients need a loss scale.

    Raises:
        ValueError: it is neither.
    """
    if dtype not in _DTYPES:
        raise ValueError(f"dtype={dtype!r}: autocast computes in {' or '.join(_DTYPES)}")
    return torch.autocast(torch.device(get_device()).type, dtype=_DTYPES[dtype])
