"""Read checkpoints without trusting them, and load weights without overlooking any."""

import logging
import pickle
import re
import zipfile
import zlib
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from mmengine.logging import print_log
from torch import Tensor, nn

from handvit.engine.inference_export import read_export

_LISTED = 8
#: Parts of the model that stage 1 trains; a checkpoint without them starts nothing.
_SPATIAL = ("backbone", "neck", "head")
#: What torch raises on files that are cut, or are something else altogether.
_DAMAGED = (
    OSError, RuntimeError, EOFError, KeyError, IndexError, TypeError, AttributeError, ValueError,
)  # fmt: skip


def read_checkpoint(path: str | Path) -> dict[str, Any]:
    """Load a checkpoint file, or the folder of an export, onto the CPU; nothing is executed.

    The config text in its ``meta`` is left out: ``Runner.resume`` would run it as Python, and the
    config in use is the one the user gave.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is torn, holds more than tensors and plain values, or is no checkpoint.
    """
    if Path(path).is_dir():
        return read_export(path)
    if not Path(path).is_file():
        raise FileNotFoundError(f"checkpoint {path}: no such file")
    try:
        checkpoint = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise ValueError(
            f"checkpoint {path}: refused, nothing in it was executed. It holds objects other than"
            f" tensors and plain values, or is damaged: {_first_line(error)}"
        ) from error
    except _DAMAGED as error:
        raise ValueError(
            f"checkpoint {path}: cannot be read, it is damaged or incomplete ({_first_line(error)})"
        ) from error
    if not all(isinstance(_entry(checkpoint, key), dict) for key in ("state_dict", "meta")):
        raise ValueError(
            f"checkpoint {path}: has no 'state_dict' and 'meta'; it was not written by HandViT"
        )
    for key in ("cfg", "config"):
        checkpoint["meta"].pop(key, None)
    return checkpoint


def find_latest_checkpoint(work_dir: str | Path) -> Path | None:
    """Return the complete ``iter_N.pth`` with the largest N, or None.

    Complete means that every part agrees with the checksum that torch stored beside it. Files that
    are not are left alone, and named in the log.
    """
    numbered = [
        (int(match[1]), path)
        for path in Path(work_dir).glob("iter_*.pth")
        if (match := re.fullmatch(r"iter_(\d+)\.pth", path.name))
    ]
    for _, path in sorted(numbered, reverse=True):
        damage = _find_damage(path)
        if damage is None:
            return path
        print_log(f"checkpoint {path}: passed over, {damage}", "current", logging.WARNING)
    return None


def load_weights(
    model: nn.Module,
    state_dict: dict[str, Tensor],
    *,
    path: str,
    allow_new_parts: bool,
    transformers: str | None = None,
) -> list[str]:
    """Copy weights into the model; every one must fit.

    Args:
        model: its top-level parts are what ``allow_new_parts`` speaks of.
        state_dict: from the checkpoint.
        path: of the checkpoint, for messages.
        allow_new_parts: accept that the checkpoint lacks a whole part with trainable weights, as
            when stage 2 adds its temporal encoder to a stage-1 checkpoint, but no spatial one.
        transformers: version that the weights were written with, or None if the file does not say.

    Returns:
        The names of the parts that keep their fresh weights.

    Raises:
        ValueError: weights are missing, unexpected or of another shape.
    """
    state_dict = {name.removeprefix("module."): value for name, value in state_dict.items()}
    own = model.state_dict()
    present = {name.split(".")[0] for name in state_dict}
    new_parts = sorted(
        name
        for name, part in model.named_children()
        if allow_new_parts and name not in {*present, *_SPATIAL} and _is_trainable(part)
    )
    wanted = {name for name in own if name.split(".")[0] not in new_parts}
    problems = {
        "missing": sorted(wanted - state_dict.keys()),
        "unexpected": sorted(state_dict.keys() - own.keys()),
        "of another shape": [
            f"{name} {tuple(state_dict[name].shape)} instead of {tuple(own[name].shape)}"
            for name in sorted(wanted & state_dict.keys())
            if state_dict[name].shape != own[name].shape
        ],
    }
    if any(problems.values()):
        listed = "; ".join(_list(what, names) for what, names in problems.items() if names)
        raise ValueError(
            f"checkpoint {path} does not fit this config's model: {_reason(problems, present)}"
            f"{listed}. Was it trained with another config or stage?{_version_advice(transformers)}"
        )
    model.load_state_dict(state_dict, strict=False)
    return new_parts


def _find_damage(path: Path) -> str | None:
    """Say what is wrong with a file that torch wrote, if anything.

    Torch does not look at checksums, and zipfile does not look at all that torch needs.
    """
    try:
        with zipfile.ZipFile(path) as file:
            part = file.testzip()
        if part is not None:
            return f"its part {part} is damaged"
        torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except pickle.UnpicklingError:
        return None  # whole, but holds what read_checkpoint will refuse
    except (*_DAMAGED, zipfile.BadZipFile, zlib.error) as error:
        return f"it is cut short or damaged ({_first_line(error)})"
    return None


def _entry(checkpoint: Any, key: str) -> Any:
    return checkpoint.get(key) if isinstance(checkpoint, dict) else None


def _is_trainable(part: nn.Module) -> bool:
    return any(parameter.requires_grad for parameter in part.parameters())


def _reason(problems: dict[str, list[str]], present: set[str]) -> str:
    """Name the spatial parts at fault, which says more than the names of a hundred weights."""
    at_fault = {name.split(".")[0] for names in problems.values() for name in names}
    parts = [part for part in _SPATIAL if part in at_fault]
    absent = [f"it lacks the spatial module {part}" for part in parts if part not in present]
    other = [f"it has another {part}" for part in parts if part in present]
    return "".join(f"{reason}; " for reason in absent + other)


def _list(what: str, names: list[str]) -> str:
    more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    return f"{len(names)} {what}: {', '.join(names[:_LISTED])}{more}"


def _version_advice(written_with: str | None) -> str:
    """Say which transformers to install, if another one may be at fault by other module names."""
    own = version("transformers")
    if written_with in (None, own):
        return ""
    return (
        f" It was written with transformers {written_with}, this is {own}, and modules may have"
        f" other names there; install transformers=={written_with}"
    )


def _first_line(error: Exception) -> str:
    """The reason without torch's advice to load the file unsafely."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    telling = [line for line in lines if "Unsupported" in line or "GLOBAL" in line]
    return (telling or lines or [type(error).__name__])[0]
