"""Say which model, and which training, the tokens of a cache belong to."""

import hashlib
import json
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from torch import nn

from handvit.atomic_file import atomic_file

INFO_FILE, BEGUN_FILE = "token_cache.json", "token_cache.begun.json"
_MAKE = "write the cache anew with `python tools/misc/cache_tokens.py`"
#: Weights, sizes and camera that tokens depend on; what else there is may differ.
_OF_MODEL = ("hand_model", "spatial_weights", "crop_size", "expand")


@dataclass(frozen=True, kw_only=True)
class TokenCacheInfo:
    """Describe a cache of N clips, which training drew one after the other."""

    num_clips: int
    clip_length: int
    seed: int  # of the training that drew them
    batch_size: int  # that it drew them in
    dtype: str  # of the tokens: bfloat16 or float32
    num_prefix: int  # tokens before the patches
    grid: tuple[int, int]  # rows and columns of patches
    hand_model: str  # identity, as in checkpoints
    spatial_weights: str  # digest of the backbone's and the neck's
    crop_size: int  # px
    expand: float  # side of the crop over that of the hand box
    dataset: dict[str, Any]  # metainfo of the data set that was drawn from
    training_range: dict[str, Any] | None  # see ``measure_range``

    def begin(self, root: Path) -> None:
        """Write it into the folder of a cache that is being made, or compare it with what is there.

        Raises:
            ValueError: the folder holds the beginning of another cache; says what differs.
        """
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
            raise FileNotFoundError(f"token cache {root}: no {INFO_FILE}; {_MAKE}")
        try:
            content = json.loads(path.read_bytes())
            return cls(**{**content, "grid": tuple(content["grid"])})
        except (KeyError, TypeError, ValueError) as error:
            wanted = [field.name for field in fields(cls)]
            raise ValueError(f"{path}: must have the keys {wanted} ({error}); {_MAKE}") from error

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
                    f" {own[name]!r}; {_MAKE}, or load the checkpoint that it was made with"
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
    }


def digest_weights(*modules: nn.Module) -> str:
    """Return 16 hexadecimal digits that change with any weight or running statistic."""
    digest = hashlib.sha256()
    for module in modules:
        for name, value in module.state_dict().items():
            digest.update(f"{name} {tuple(value.shape)} {value.dtype}".encode())
            digest.update(value.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()[:16]


def _learns(part: nn.Module) -> bool:
    return any(parameter.requires_grad for parameter in part.parameters())
