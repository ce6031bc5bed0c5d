"""Serve clips of the frames of a token cache."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch.utils.data import Dataset

from handvit.datasets.mixture_dataset import MixtureDataset
from handvit.datasets.token_cache.cached_frames import CachedFrames
from handvit.datasets.token_cache.crop_columns import TOKENS, from_columns
from handvit.datasets.token_cache.frame_blocks import FrameBlocks, missing_blocks
from handvit.datasets.token_cache.token_cache_info import MAKE, CachedPart, TokenCacheInfo
from handvit.registry import DATASETS, FUNCTIONS
from handvit.structures import HandCrops, HandTokens


class CachedClip(NamedTuple):
    """Hold one view of a clip of T frames, whose arrays are mapped."""

    last: dict[str, np.ndarray]  # name to the row of the last frame
    tokens: list[np.ndarray]  # (T,) of (P + N, D)
    frame_time: np.ndarray  # (T,) seconds
    frame_valid: np.ndarray  # (T,) bool
    info: TokenCacheInfo


class CachedClips(Dataset):
    """Give the clips of one data set in all views: view after view, clip after clip.

    Args:
        root: folder of the cache.
        part: what the cache says of the data set.
        info: what the cache says of itself.
        clip_length: frames in a clip.
        stride: steps between them.

    Raises:
        ValueError: files are missing, or the clips look further back than the cache.
    """

    def __init__(
        self,
        root: Path,
        part: CachedPart,
        info: TokenCacheInfo,
        *,
        clip_length: int,
        stride: int,
    ) -> None:
        part.check_reach(root, clip_length=clip_length, stride=stride)
        self.metainfo = part.metainfo
        self.clip_length = clip_length
        self.stride = stride
        self._info = info
        folder = root / part.folder
        missing = missing_blocks(folder, num_views=info.num_views, num_frames=part.num_frames)
        if missing:
            raise ValueError(f"token cache {folder}: {len(missing)} files are missing; {MAKE}")
        self._frames = CachedFrames.load(folder)
        self._clip_index = self._frames.clip_index()
        self._blocks = FrameBlocks(folder)

    def column(self, name: str) -> np.ndarray:
        """Return one column of the data set's index, (len,)."""
        return np.tile(self._frames.columns[name], self._info.num_views)

    def __len__(self) -> int:
        return self._info.num_views * len(self._frames.last)

    def __getitem__(self, index: int) -> CachedClip:
        view, clip = divmod(range(len(self))[index], len(self._frames.last))
        last = int(self._frames.last[clip])
        places, frame_valid = self._clip_index.clip(last, self.clip_length, self.stride)
        blocks = [self._blocks.frame(view, place) for place in places.tolist()]
        arrays, row = blocks[-1]
        return CachedClip(
            last={name: array[row] for name, array in arrays.items() if name != TOKENS},
            tokens=[arrays[TOKENS][row] for arrays, row in blocks],
            frame_time=self._frames.frame_time[places],
            frame_valid=frame_valid,
            info=self._info,
        )


@DATASETS.register_module()
class CachedTokenDataset(MixtureDataset):
    """Give clips whose tokens ``tools/misc/cache_tokens.py`` has computed, in all their views.

    Stands in for the data set, or the mixture with its weights, that the cache was made of; use it
    with ``collate_fn=dict(type="handvit.token_collate")``. ``TokenCacheHook`` compares the model
    with the one that made the tokens.

    Args:
        root: folder that the tool wrote.
        clip_length: frames in a clip, those of the recipe that made the cache if None; likewise
            ``stride``. Clips may not look further back than that recipe's.

    Raises:
        FileNotFoundError, ValueError: it is no complete cache, or clips are too long for it.
    """

    def __init__(
        self, root: Path | str, *, clip_length: int | None = None, stride: int | None = None
    ) -> None:
        self._arguments = dict(root=root, clip_length=clip_length, stride=stride)
        self.root = Path(root)
        self.info = TokenCacheInfo.load(root)
        parts = [
            CachedClips(
                self.root,
                part,
                self.info,
                clip_length=part.clip_length if clip_length is None else clip_length,
                stride=part.stride if stride is None else stride,
            )
            for part in self.info.parts
        ]
        super().__init__(parts, weights=[part.weight for part in self.info.parts])

    @property
    def training_range(self) -> dict[str, Any] | None:
        """What the clips were drawn from, see ``measure_range``."""
        return self.info.training_range

    def __getstate__(self) -> dict[str, Any]:
        """Leave the mapped files to the process that unpickles it."""
        return self._arguments

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(**state)

    def __getitems__(self, indices: Sequence[int]) -> list[CachedClip]:
        """Return several clips; torch's loader calls this rather than ``__getitem__``."""
        return [self[index] for index in indices]


@FUNCTIONS.register_module()
def token_collate(clips: Sequence[CachedClip]) -> HandCrops:
    """Stack B clips of T frames; tokens stay as short as the cache keeps them."""
    info = clips[0].info
    stored = torch.from_numpy(np.stack([frame for clip in clips for frame in clip.tokens]))
    tokens = stored.view(getattr(torch, info.dtype)).unflatten(0, (len(clips), -1))  # (B, T, N, D)
    prefix, patches = tokens.tensor_split([info.num_prefix], -2)
    return from_columns(
        {name: np.stack([clip.last[name] for clip in clips]) for name in clips[0].last},
        HandTokens(prefix, patches, info.grid),
        torch.from_numpy(np.stack([clip.frame_time for clip in clips])),
        torch.from_numpy(np.stack([clip.frame_valid for clip in clips])),
        crop_size=info.crop_size,
    )
