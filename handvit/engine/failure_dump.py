"""Write down all that an iteration depends on, so that its failure can be repeated elsewhere.

``python tools/misc/replay_batch.py FILE`` does so.
"""

import pickle
from pathlib import Path
from typing import Any, NamedTuple

import torch
from mmengine.dist import get_rank, get_world_size
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner
from torch import Tensor, nn
from torch.distributed.tensor import DTensor

from handvit import structures
from handvit.atomic_file import atomic_file
from handvit.engine.portable_config import portable_config
from handvit.structures import HandBatch, HandCrops

FOLDER = "failures"
_TYPE = "structure"  # where the name of a named tuple is kept
_KIND = "handvit failure 1"  # raise the number when what is written changes


class Findings(NamedTuple):
    """Name what is NaN or infinite."""

    losses: list[str]
    gradients: list[str]  # of which clipping by the norm makes all NaN if one is
    weights: list[str]


def write_failure(
    path: Path,
    runner: Runner,
    *,
    iteration: int,
    batch: HandBatch | HandCrops,
    random_state: dict[str, Any],
    weights: dict[str, Tensor],
    findings: Findings,
) -> None:
    """Write one iteration whose step the optimizer has not made yet.

    Args:
        path: ends in ``.pt``; the folder is made if need be.
        runner: holds the model, the optimizer and the config.
        iteration: counted from 0.
        batch: as the loader delivered it, crops if from a token cache.
        random_state: before the iteration.
        weights: what ``whole_weights`` returned.
        findings: what the replay has to find again.

    Raises:
        OSError: it cannot be written.
    """
    model = runner.model.module if is_model_wrapper(runner.model) else runner.model
    content = {
        "kind": _KIND,
        "iter": iteration,
        "rank": get_rank(),
        "world_size": get_world_size(),
        "seed": runner.seed,
        "config": {**runner.cfg.to_dict(), "model": portable_config(runner.cfg)["model"]},
        "sample_ids": list(batch.labels.sample_id),
        "batch": _to_plain(batch),
        "random_state": random_state,
        "findings": findings._asdict(),
        "modes": module_modes(model),
        "state_dict": weights,
        "optimizer": None if is_sharded(model) else runner.optim_wrapper.state_dict(),
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with atomic_file(path) as file:
            torch.save(content, file)
    except RuntimeError as error:
        # What torch's writer makes of an error of the file.
        raise (error.__context__ if isinstance(error.__context__, OSError) else error) from None


def whole_weights(model: nn.Module) -> dict[str, Tensor]:
    """Return a model's state dict; put together if it is sharded, which all processes must do."""
    state = model.state_dict()
    return {n: x.full_tensor().cpu() if isinstance(x, DTensor) else x for n, x in state.items()}


def is_sharded(model: nn.Module) -> bool:
    """Say whether other processes have parts of the weights, and of the optimizer's state."""
    return any(isinstance(weight, DTensor) for weight in model.parameters())


def read_failure(path: Path) -> dict[str, Any]:
    """Load what ``write_failure`` wrote onto the CPU; nothing in it is executed.

    Returns:
        The same entries, with the batch and the ``Findings`` as they were.

    Raises:
        ValueError: there is no such file, or it is another one.
    """
    problem = f"{path}: is no failure that a training wrote; they are in WORK_DIR/{FOLDER}/*.pt"
    if not path.is_file():
        raise ValueError(f"{path}: no such file; failures are in WORK_DIR/{FOLDER}/*.pt")
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, OSError) as error:
        raise ValueError(problem) from error
    if not isinstance(content, dict) or content.get("kind") != _KIND:
        raise ValueError(problem)
    content["batch"] = _from_plain(content["batch"])
    content["findings"] = Findings(**content["findings"])
    return content


def module_modes(model: nn.Module) -> dict[str, Any]:
    """Return what hooks change in a model besides its weights: all that ``set_modes`` sets."""
    modules = dict(model.named_modules())
    return {
        "training": {name: module.training for name, module in modules.items()},
        "dropout": {name: m.p for name, m in modules.items() if isinstance(m, nn.Dropout)},
        "trainable": {name: weight.requires_grad for name, weight in model.named_parameters()},
    }


def set_modes(model: nn.Module, modes: dict[str, Any]) -> None:
    """Put a model of the same config into the same modes."""
    for name, is_training in modes["training"].items():
        model.get_submodule(name).training = is_training
    for name, p in modes["dropout"].items():
        model.get_submodule(name).p = p
    for name, is_trainable in modes["trainable"].items():
        model.get_parameter(name).requires_grad_(is_trainable)


def _to_plain(value: Any) -> Any:
    """Turn named tuples into dicts, and give each tensor memory of its own."""
    if isinstance(value, Tensor):
        return value.clone()  # the loader's memory may be larger, and is lent
    if hasattr(value, "_fields"):
        return {_TYPE: type(value).__name__, **_to_plain(value._asdict())}
    if isinstance(value, dict):
        return {name: _to_plain(field) for name, field in value.items()}
    return value


def _from_plain(value: Any) -> Any:
    """Undo ``_to_plain``."""
    if not isinstance(value, dict):
        return value
    fields = {name: _from_plain(field) for name, field in value.items()}
    return getattr(structures, fields.pop(_TYPE))(**fields)
