"""Get a Hugging Face vision model from a local folder, or from a config with random weights."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from torch import nn

#: Keys of a folder's config.json that say how it was made or is to be used.
_NOT_OF_ARCHITECTURE = frozenset(
    (
        "_name_or_path", "architectures", "drop_path_rate", "dtype", "out_features", "out_indices",
        "stage_names", "transformers_version",
    )
)  # fmt: skip


def load_hf_model(pretrained: str | None, config: dict[str, Any] | None) -> nn.Module:
    """Return a transformers model in float32; nothing is downloaded.

    Args:
        pretrained: a local folder with ``config.json`` and the weights.
        config: ``dict(model_type=..., ...)`` for random weights. Exactly one of both.

    Raises:
        ValueError: both or neither are given, the model type or a key is unknown, or weights are
            missing in the folder.
        FileNotFoundError: the folder is not a Hugging Face model.
    """
    if (pretrained is None) == (config is None):
        raise ValueError("backbone: give either pretrained='FOLDER' or config=dict(model_type=...)")
    from transformers import AutoConfig, AutoModel

    if pretrained is not None:
        _check_folder(pretrained)
        model, report = AutoModel.from_pretrained(
            pretrained,
            local_files_only=True,
            trust_remote_code=False,
            dtype=torch.float32,
            output_loading_info=True,
        )
        _check_weights(pretrained, report["missing_keys"])
        return model
    arguments = dict(config)
    model_type = arguments.pop("model_type", None)
    if model_type is None:
        raise ValueError(f"backbone config {config}: model_type is missing, e.g. 'dinov2'")
    hf_config = AutoConfig.for_model(model_type, **arguments)
    _check_arguments(hf_config, arguments)
    return AutoModel.from_config(hf_config)


def read_hf_config(pretrained: str) -> dict[str, Any]:
    """Return the ``config`` that builds the architecture of a local folder.

    The folder's stochastic depth is left out: ``drop_path`` of the backbone decides.

    Raises:
        FileNotFoundError: the folder is not a Hugging Face model.
    """
    _check_folder(pretrained)
    from transformers import AutoConfig

    config = AutoConfig.from_pretrained(pretrained, local_files_only=True)
    usual = type(config)().to_dict()
    changed = {
        key: value
        for key, value in config.to_dict().items()
        if key in usual.keys() - _NOT_OF_ARCHITECTURE and value != usual[key]
    }
    return {"model_type": config.model_type, **changed}


def _check_folder(pretrained: str) -> None:
    if not (Path(pretrained) / "config.json").is_file():
        raise FileNotFoundError(
            f"backbone: no config.json in {pretrained!r}. Put a Hugging Face model there, e.g. with"
            f" `hf download facebook/dinov2-large --local-dir {pretrained}`"
        )


def _check_weights(pretrained: str, missing: Iterable[str]) -> None:
    """Refuse weights that leave layers random, which transformers only logs. Poolers are unused."""
    used = sorted(name for name in missing if "pooler" not in name)
    if used:
        raise ValueError(
            f"backbone: the weights in {pretrained!r} do not fit its config.json;"
            f" {len(used)} tensors are missing, first {used[0]!r}"
        )


def _check_arguments(hf_config: Any, arguments: dict[str, Any]) -> None:
    """Refuse misspelt keys, which transformers would store without a word, and a doubled option."""
    known = type(hf_config)().to_dict().keys()
    unknown = sorted(arguments.keys() - known)
    if unknown:
        name = type(hf_config).__name__
        raise ValueError(f"backbone config: {name} has no {unknown}; it knows {sorted(known)}")
    if "drop_path_rate" in arguments:
        raise ValueError("backbone config: set drop_path of the backbone, not drop_path_rate here")
