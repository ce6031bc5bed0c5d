"""Take a batch of ``HandCrops`` with tokens apart into named arrays, and put it together again."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from handvit.structures import HandCrops, HandLabels, HandTokens, ManoParams

TOKENS = "tokens"
_FRAMES = ("frame_time", "frame_valid")  # labels of all frames of a clip
_STORED = {torch.float32: (torch.float32, np.float32), torch.bfloat16: (torch.int16, np.int16)}
_PIXELS = "crop"


def to_columns(crops: HandCrops, tokens: HandTokens, dtype: torch.dtype) -> dict[str, np.ndarray]:
    """Return one row a clip: the tokens of all frames, and all but the pixels of the last one.

    Args:
        crops: (B, T, ...).
        tokens: (B, T, ...), after the neck.
        dtype: to keep the tokens in, float32 or bfloat16 (whose bits are stored as int16).
    """
    columns = {
        name: _to_array(value)
        for name, value in _fields(crops.last_frame())
        if name not in (_PIXELS, TOKENS)
    }
    for name in _FRAMES:
        columns[f"labels.{name}"] = _to_array(getattr(crops.labels, name))  # (B, T)
    as_stored, _ = _STORED[dtype]
    columns[TOKENS] = tokens.all.detach().to(dtype).cpu().view(as_stored).numpy()  # (B, T, P+N, D)
    return columns


def from_columns(
    columns: Mapping[str, np.ndarray],
    *,
    dtype: torch.dtype,
    num_prefix: int,
    grid: tuple[int, int],
    crop_size: int,
) -> HandCrops:
    """Put rows together to a batch; its crops have their size, but no channels.

    Tokens are (B, T, ...), ``frame_time`` and ``frame_valid`` (B, T), everything else is of the
    last frame, (B, 1, ...).
    """

    def tensor(name: str) -> Any:
        value = columns[name]
        return value.tolist() if value.dtype.kind == "U" else torch.from_numpy(value)

    mano = ManoParams(*(tensor(f"labels.mano.{name}") for name in ManoParams._fields))
    labels = HandLabels(
        *(mano if name == "mano" else tensor(f"labels.{name}") for name in HandLabels._fields)
    )
    tokens = torch.from_numpy(columns[TOKENS]).view(dtype).float()
    prefix, patches = tokens.split([num_prefix, tokens.shape[-2] - num_prefix], -2)
    crop = torch.zeros(len(tokens), 1, 0, crop_size, crop_size)
    names = [name for name in HandCrops._fields if name not in (_PIXELS, "labels", TOKENS)]
    return HandCrops(
        crop=crop,
        **{name: tensor(name) for name in names},
        labels=labels,
        tokens=HandTokens(prefix, patches, grid),
    )


def _fields(value: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the leaves of nested named tuples behind their dotted names."""
    for name in value._fields:
        field = getattr(value, name)
        if hasattr(field, "_fields"):
            yield from _fields(field, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", field


def _to_array(value: Tensor | list[str]) -> np.ndarray:
    return value.detach().cpu().numpy() if isinstance(value, Tensor) else np.array(value)
