"""Take ``HandCrops`` with tokens apart into rows, one a frame, and put clips together from them."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from handvit.structures import HandCrops, HandLabels, HandTokens, ManoParams

TOKENS = "tokens"
#: How tokens are kept; numpy knows no bfloat16, so its bits are stored as integers.
STORED_DTYPES = {
    torch.float32: torch.float32,
    torch.float16: torch.float16,
    torch.bfloat16: torch.int16,
}
_IDS = "labels.sample_id"
_PIXELS = "crop"


def to_columns(
    crops: HandCrops, tokens: HandTokens, sample_id: Sequence[str], dtype: torch.dtype
) -> dict[str, np.ndarray]:
    """Return one row a frame: its tokens, and all but the pixels of its crop.

    Args:
        crops: (1, T, ...).
        tokens: (1, T, ...), after the neck.
        sample_id: (T,) of all frames.
        dtype: to keep the tokens in, one of ``STORED_DTYPES``.
    """
    columns = {
        name: value[0].detach().cpu().numpy()  # (T, ...)
        for name, value in _fields(crops)
        if name not in (_PIXELS, TOKENS, _IDS)
    }
    columns[_IDS] = np.array([name.encode() for name in sample_id])
    kept = tokens.all[0].detach().to(dtype).cpu()  # (T, P + N, D)
    columns[TOKENS] = kept.view(STORED_DTYPES[dtype]).numpy()
    return columns


def from_columns(
    last: Mapping[str, np.ndarray],
    tokens: HandTokens,
    frame_time: Tensor,
    frame_valid: Tensor,
    *,
    crop_size: int,
) -> HandCrops:
    """Put rows together to a batch; its crops have their size, but no channels.

    Args:
        last: columns of ``to_columns`` but the tokens, (B, ...), of the last frame of each clip.
        tokens: (B, T, ...).
        frame_time: (B, T) seconds, which temporal encoders look at; likewise ``frame_valid``.
        crop_size: px.

    Returns:
        Everything else is of the last frame, (B, 1, ...).
    """

    def tensor(name: str) -> Any:
        return torch.from_numpy(last[name][:, None])  # (B, 1, ...)

    mano = ManoParams(*(tensor(f"labels.mano.{name}") for name in ManoParams._fields))
    labels = {
        "sample_id": [name.decode() for name in last[_IDS].tolist()],
        "frame_time": frame_time,
        "frame_valid": frame_valid,
        "mano": mano,
    }
    others = [name for name in HandLabels._fields if name not in labels]
    names = [name for name in HandCrops._fields if name not in (_PIXELS, "labels", TOKENS)]
    return HandCrops(
        crop=torch.zeros(len(frame_time), 1, 0, crop_size, crop_size),
        **{name: tensor(name) for name in names},
        labels=HandLabels(**labels, **{name: tensor(f"labels.{name}") for name in others}),
        tokens=tokens,
    )


def _fields(value: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the leaves of nested named tuples behind their dotted names."""
    for name in value._fields:
        field = getattr(value, name)
        if hasattr(field, "_fields"):
            yield from _fields(field, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", field
