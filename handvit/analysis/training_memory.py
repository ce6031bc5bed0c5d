"""Estimate the memory that training takes on each GPU."""

from contextlib import AbstractContextManager, nullcontext
from itertools import chain
from typing import Any, NamedTuple

import torch
from mmengine.config import Config
from torch import nn

from handvit.analysis.live_memory import LiveMemory
from handvit.analysis.plain_crops import plain_crops
from handvit.models.hand_pose_estimator import HandPoseEstimator

# Numbers that an optimizer keeps for each trained one.
_OPTIMIZER_STATES = {"AdamW": 2, "Adam": 2}
# What the forward pass of an optimizer wrapper computes in.
_AUTOCAST_DTYPES = {"OptimWrapper": None, "BF16OptimWrapper": torch.bfloat16}


class TrainingMemory(NamedTuple):
    """Bytes at the moment of a training step that takes most."""

    weights: int  # and buffers
    optimizer: int
    ema: int
    step: int  # input, activations and gradients

    @property
    def total(self) -> int:
        """Bytes of all parts."""
        return sum(self)


def training_memory(
    model: HandPoseEstimator, cfg: Config, *, batch_size: int, num_frames: int
) -> TrainingMemory:
    """Run one training step and watch its memory.

    On fake tensors the batch costs nothing. What is not seen: scratch memory of kernels, the
    CUDA context (about 0.5 GB), fragmentation, and with several GPUs the buckets of DDP, which are
    as large as the trained weights.

    Args:
        model: real or fake.
        cfg: the recipe, for its optimizer and its hooks.
        batch_size: clips a step.
        num_frames: of a clip.

    Raises:
        ValueError: the optimizer or its wrapper is not known.
    """
    wrapper = cfg.optim_wrapper
    states = _look_up("optim_wrapper.optimizer.type", wrapper.optimizer.type, _OPTIMIZER_STATES)
    dtype = _look_up("optim_wrapper.type", wrapper.type, _AUTOCAST_DTYPES)
    weights = sum(tensor.untyped_storage().nbytes() for tensor in _tensors(model))
    trained = sum(p.nbytes for p in model.parameters() if p.requires_grad)
    model.train()
    size = model.data_preprocessor.crop_size
    with LiveMemory(existing=_tensors(model)) as memory:
        crops = plain_crops(batch_size, num_frames=num_frames, crop_size=size)
        with _autocast(dtype):
            loss, _ = model.parse_losses(model(crops, mode="loss"))
        loss.backward()
        # While AdamW works it keeps a temporary as large as the trained weights.
        at_update = memory.num_bytes + trained
        model.zero_grad()
    return TrainingMemory(
        weights=weights,
        optimizer=states * trained,
        ema=weights if _has_ema(cfg) else 0,
        step=max(memory.peak, at_update),
    )


def _autocast(dtype: torch.dtype | None) -> AbstractContextManager[Any]:
    return nullcontext() if dtype is None else torch.autocast("cpu", dtype=dtype)


def _tensors(model: nn.Module) -> list[torch.Tensor]:
    return list(chain(model.parameters(), model.buffers()))


def _has_ema(cfg: Config) -> bool:
    hooks = [*cfg.get("default_hooks", {}).values(), *cfg.get("custom_hooks", [])]
    return any(hook is not None and hook["type"].endswith("EMAHook") for hook in hooks)


def _look_up(key: str, value: str, known: dict[str, Any]) -> Any:
    if value not in known:
        raise ValueError(
            f"{key}={value!r}: its memory is not known, only that of {sorted(known)}; add it to"
            " handvit/analysis/training_memory.py"
        )
    return known[value]
