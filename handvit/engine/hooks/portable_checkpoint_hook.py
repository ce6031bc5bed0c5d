"""Save checkpoints that ``torch.load(weights_only=True)`` accepts."""

from typing import Any

import numpy as np
import torch
from mmengine.hooks import Hook
from mmengine.logging import HistoryBuffer
from mmengine.runner import Runner

from handvit.registry import HOOKS

_HISTORY = "handvit_history"


@HOOKS.register_module()
class PortableCheckpointHook(Hook):
    """Turn everything in a checkpoint into tensors and plain values, and back after loading.

    MMEngine 0.10 pickles its ``HistoryBuffer`` and numpy scalars, which torch 2.6 and newer refuse
    to load; allowing them would also allow ``getattr``.
    """

    priority = "VERY_LOW"

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict[str, Any]) -> None:
        """Replace what only pickle can hold."""
        for key in checkpoint.keys() - {"state_dict", "optimizer"}:
            checkpoint[key] = to_plain(checkpoint[key])

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict[str, Any]) -> None:
        """Rebuild the histories."""
        if "message_hub" in checkpoint:
            checkpoint["message_hub"] = from_plain(checkpoint["message_hub"])


def to_plain(value: Any) -> Any:
    """Return the value with numpy and MMEngine types replaced, recursively."""
    if isinstance(value, HistoryBuffer):
        log, count = value.data
        return {_HISTORY: to_plain([log, count, value.max_length])}
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        return torch.from_numpy(value.copy())
    if isinstance(value, dict):
        return {key: to_plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [to_plain(item) for item in value]
    return value


def from_plain(value: Any) -> Any:
    """Rebuild the histories inside what ``to_plain`` returned."""
    if isinstance(value, dict) and value.keys() == {_HISTORY}:
        log, count, max_length = value[_HISTORY]
        return HistoryBuffer(log.numpy(), count.numpy(), max_length)
    if isinstance(value, dict):
        return {key: from_plain(item) for key, item in value.items()}
    return value
