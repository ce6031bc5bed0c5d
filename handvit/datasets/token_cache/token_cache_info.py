"""Say which model, and which data, the tokens of a cache belong to."""

import hashlib
import json
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import torch
from torch import nn

from handvit.atomic_file import atomic_file
from handvit.datasets.hand_clip_dataset import HandClipDataset
from handvit.datasets.shards.dataset_index import INDEX_FILE
from handvit.datasets.token_cache.cached_frames import CachedFrames

INFO_FILE, BEGUN_FILE = "token_cache.json", "token_cache.begun.json"
MAKE = "write the cache anew with `python tools/misc/cache_tokens.py`"
_DIGITS = 16  # of digests
#: Weights, sizes, colours and camera that tokens depend on; what else there is may differ.
_OF_MODEL = ("hand_model", "spatial_weights", "crop_size", "expand", "mean", "std")


@dataclass(frozen=True, kw_only=True)
class CachedPart:
    """Describe what a cache holds of one data set."""

    folder: str  # within the cache
    weight: float  # in the mixture
    num_frames: int
    clip_length: int  # of the recipe; any clip that looks no further back is in the cache
    stride: int  # likewise
    data: str  # digest of the data set's index and of what was chosen from it
    metainfo: dict[str, Any]  # of the data set

    @classmethod
    def of(
        cls, dataset: HandClipDataset, frames: CachedFrames, *, number: int, weight: float
    ) -> "CachedPart":
        """Describe part ``number`` of a mixture."""
        digest = hashlib.sha256((dataset.reader.root / INDEX_FILE).read_bytes())
        digest.update(frames.row.tobytes() + frames.last.tobytes())
        return cls(
            folder=f"part{number:02d}",
            weight=weight,
            num_frames=len(frames.row),
            clip_length=dataset.clip_length,
            stride=dataset.stride,
            data=digest.hexdigest()[:_DIGITS],
            metainfo=dataset.metainfo,
        )

    def check_reach(self, root: Path | str, *, clip_length: int, stride: int) -> None:
        """Refuse clips that look further back than the cache does.

        Raises:
            ValueError: says how far.
        """
        reach, own = stride * (clip_length - 1), self.stride * (self.clip_length - 1)
        if reach > own:
            raise ValueError(
                f"token cache {root}/{self.folder}: clip_length={clip_length} and stride={stride}"
                f" look {reach} frames back, the cache {own}; shorten the clips, or {MAKE}"
            )


@dataclass(frozen=True, kw_only=True)
class TokenCacheInfo:
    """Describe a cache of frames in several views, which clips are put together from."""

    parts: list[CachedPart]
    num_views: int
    seed: int  # of the views
    dtype: str  # of the tokens: float32, float16 or bfloat16
    num_prefix: int  # tokens before the patches
    grid: tuple[int, int]  # rows and columns of patches
    autocast: bool  # whether the model computed in bfloat16
    hand_model: str  # identity, as in checkpoints
    spatial_weights: str  # digest of the backbone's and the neck's
    crop_size: int  # px
    expand: float  # side of the crop over that of the hand box
    mean: list[float]  # of RGB in [0, 1]; likewise ``std``
    std: list[float]
    augmentation: dict[str, Any]  # config of the preprocessing that made the views
    training_range: dict[str, Any] | None  # see ``measure_range``

    def begin(self, root: Path) -> None:
        """Write it into the folder of a cache that is being made, or compare it with what is there.

        Raises:
            ValueError: the folder holds the beginning of another cache; says what differs.
        """
        root.mkdir(parents=True, exist_ok=True)
        content = json.dumps(asdict(self), indent=1)
        if (root / BEGUN_FILE).is_file():
            begun = json.loads((root / BEGUN_FILE).read_bytes())
            own = json.loads(content)
            differs = [name for name in own if begun.get(name) != own[name]]
            if differs:
                raise ValueError(
                    f"token cache {root}: was begun with another {', '.join(differs)}; remove the"
                    " folder, or repeat the command that began it"
                )
        with atomic_file(root / BEGUN_FILE) as file:
            file.write(content.encode())

    @staticmethod
    def finish(root: Path) -> None:
        """Declare the cache complete."""
        (root / BEGUN_FILE).rename(root / INFO_FILE)

    @classmethod
    def load(cls, root: Path | str) -> "TokenCacheInfo":
        """Read it.

        Raises:
            FileNotFoundError: the folder is no cache, or an unfinished one.
            ValueError: it is damaged.
        """
        path = Path(root) / INFO_FILE
        if not path.is_file():
            raise FileNotFoundError(f"token cache {root}: no {INFO_FILE}; {MAKE}")
        try:
            content = json.loads(path.read_bytes())
            parts = [CachedPart(**part) for part in content["parts"]]
            return cls(**{**content, "parts": parts, "grid": tuple(content["grid"])})
        except (KeyError, TypeError, ValueError) as error:
            wanted = [field.name for field in fields(cls)]
            raise ValueError(f"{path}: must have the keys {wanted} ({error}); {MAKE}") from error

    def check_model(self, model: nn.Module, root: Path | str) -> None:
        """Refuse a model whose tokens would be others.

        Raises:
            ValueError: says what differs.
        """
        own = describe_model(model)
        for name in _OF_MODEL:
            theirs = getattr(self, name)
            if theirs != own[name]:
                raise ValueError(
                    f"token cache {root}: made with {name} {theirs!r}, the model's is"
                    f" {own[name]!r}; {MAKE}, or load the checkpoint that it was made with"
                )
        check_frozen(model)


def check_frozen(model: nn.Module) -> None:
    """Refuse a model whose tokens would change while it learns.

    Raises:
        ValueError: names the parts that learn.
    """
    learning = [name for name in ("backbone", "neck") if _learns(getattr(model, name))]
    if learning:
        raise ValueError(
            f"token cache: model.frozen lacks {learning}, which cached tokens cannot teach; add"
            " them to it"
        )


def describe_model(model: nn.Module) -> dict[str, Any]:
    """Return what the tokens of a model depend on."""
    preprocessor = model.data_preprocessor
    return {
        "hand_model": model.hand_model.identity,
        "spatial_weights": digest_weights(model.backbone, model.neck),
        "crop_size": preprocessor.crop_size,
        "expand": preprocessor.expand,
        "mean": preprocessor.mean.flatten().tolist(),
        "std": preprocessor.std.flatten().tolist(),
    }


def digest_weights(*modules: nn.Module) -> str:
    """Return 16 hexadecimal digits that change with any weight or running statistic."""
    digest = hashlib.sha256()
    for module in modules:
        for name, value in module.state_dict().items():
            digest.update(f"{name} {tuple(value.shape)} {value.dtype}".encode())
            digest.update(value.detach().cpu().contiguous().flatten().view(torch.uint8).numpy())
    return digest.hexdigest()[:_DIGITS]


def _learns(part: nn.Module) -> bool:
    return any(parameter.requires_grad for parameter in part.parameters())
