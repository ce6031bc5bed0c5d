"""Serve the clips of a token cache."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils.data import Dataset

from handvit.datasets.token_cache.crop_columns import from_columns
from handvit.datasets.token_cache.token_cache_info import TokenCacheInfo
from handvit.datasets.token_cache.token_cache_writer import map_parts
from handvit.registry import DATASETS, FUNCTIONS
from handvit.structures import HandCrops


class CachedClips:
    """Hold rows of a cache together with what it takes to read them."""

    def __init__(self, rows: dict[str, np.ndarray], info: TokenCacheInfo) -> None:
        self.rows = rows
        self.info = info


@DATASETS.register_module()
class CachedTokenDataset(Dataset):
    """Give clips whose tokens ``tools/misc/cache_tokens.py`` has computed.

    Use it with ``collate_fn=dict(type="handvit.token_collate")``. With the sampler's
    ``order=dict(type="StoredOrder")`` they come as the training without a cache draws them.
    ``TokenCacheHook`` compares the model with the one that made the tokens.

    Args:
        root: folder that the tool wrote.

    Raises:
        FileNotFoundError, ValueError: it is no complete cache.
    """

    def __init__(self, root: Path | str) -> None:
        self.root = Path(root)
        self.info = TokenCacheInfo.load(root)
        self._parts = map_parts(self.root)
        self._ends = np.cumsum([len(part["tokens"]) for part in self._parts])
        num_clips = int(self._ends[-1]) if len(self._ends) else 0
        if num_clips != self.info.num_clips:
            raise ValueError(
                f"token cache {root}: holds {num_clips} of {self.info.num_clips} clips; write it"
                " anew with `python tools/misc/cache_tokens.py`"
            )

    @property
    def metainfo(self) -> dict[str, Any]:
        """What the data set says of itself that the clips were drawn from."""
        return self.info.dataset

    @property
    def training_range(self) -> dict[str, Any] | None:
        """What the clips were drawn from, see ``measure_range``."""
        return self.info.training_range

    def __getstate__(self) -> dict[str, Any]:
        """Leave the mapped files to the process that unpickles it."""
        return {"root": self.root}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(state["root"])

    def __len__(self) -> int:
        return self.info.num_clips

    def __getitem__(self, index: int) -> CachedClips:
        return self.__getitems__([index])

    def __getitems__(self, indices: Sequence[int]) -> CachedClips:
        """Return the rows of a whole batch; torch's loader calls this rather than one by one."""
        numbers = np.array([range(len(self))[index] for index in indices])
        parts = np.searchsorted(self._ends, numbers, side="right")
        starts = np.r_[0, self._ends[:-1]]
        places = list(zip(parts.tolist(), (numbers - starts[parts]).tolist(), strict=True))
        names = self._parts[0]
        return CachedClips(
            {name: np.stack([self._parts[p][name][i] for p, i in places]) for name in names},
            self.info,
        )


@FUNCTIONS.register_module()
def token_collate(clips: CachedClips) -> HandCrops:
    """Make a batch of rows, see ``from_columns``."""
    info = clips.info
    return from_columns(
        clips.rows,
        dtype=getattr(torch, info.dtype),
        num_prefix=info.num_prefix,
        grid=info.grid,
        crop_size=info.crop_size,
    )
