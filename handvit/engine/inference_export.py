"""Write a trained model to a folder that needs nothing else, and read it back.

``model.safetensors`` has the weights, ``config.json`` the config with everything that the recipe
names by file except the hand model, whose licence forbids it, and ``card.json`` says where the
weights come from: hand model, versions, iterations, and the range of the data they were trained on.
"""

import json
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch

from handvit.atomic_file import atomic_file
from handvit.version import __version__

WEIGHTS, CONFIG, CARD = "model.safetensors", "config.json", "card.json"
_FROM_CHECKPOINT = ("hand_model", "transformers", "iter", "training_range")


def write_export(folder: Path, config: Mapping[str, Any], checkpoint: Mapping[str, Any]) -> None:
    """Write the three files; the card comes last, so a folder with one is complete.

    Args:
        folder: made if need be.
        config: of the recipe that the checkpoint was trained with, see ``portable_config``.
        checkpoint: what ``read_checkpoint`` returned.

    Raises:
        ValueError: the checkpoint does not say what an export must.
    """
    meta = checkpoint["meta"]
    missing = [key for key in _FROM_CHECKPOINT if key not in meta]
    if missing:
        raise ValueError(
            f"the checkpoint's meta has no {missing}; train some iterations more from it with"
            " load_from, whose checkpoints will"
        )
    card = {"handvit": __version__, "torch": version("torch")}
    card |= {key: meta[key] for key in _FROM_CHECKPOINT}
    weights = {name: value.clone() for name, value in checkpoint["state_dict"].items()}
    folder.mkdir(parents=True, exist_ok=True)
    (folder / CARD).unlink(missing_ok=True)
    _write(folder / WEIGHTS, safetensors.torch.save(weights))
    _write(folder / CONFIG, json.dumps(config, indent=1).encode())
    _write(folder / CARD, json.dumps(card, indent=1).encode())


def read_export(folder: str | Path) -> dict[str, Any]:
    """Return the weights and the card as a checkpoint: ``state_dict`` and ``meta``.

    Raises:
        FileNotFoundError: a file is missing.
        ValueError: a file is damaged.
    """
    for name in (CARD, CONFIG, WEIGHTS):
        if not (Path(folder) / name).is_file():
            raise FileNotFoundError(
                f"export {folder}: has no {name}; write it anew with"
                " `python tools/misc/export_model.py`"
            )
    try:
        meta = json.loads((Path(folder) / CARD).read_bytes())
        weights = safetensors.torch.load_file(Path(folder) / WEIGHTS)
    except (safetensors.SafetensorError, ValueError) as error:
        raise ValueError(f"export {folder}: damaged: {error}") from error
    return {"state_dict": weights, "meta": meta}


def _write(path: Path, content: bytes) -> None:
    with atomic_file(path) as file:
        file.write(content)
