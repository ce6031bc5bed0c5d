"""Keep the state of all random generators as plain values, and bring it back."""

import random
from typing import Any

import numpy as np
import torch


def get_random_state() -> dict[str, Any]:
    """Return the states of torch, the current GPU, numpy and ``random``: tensors and numbers."""
    name, keys, *position = np.random.get_state()
    is_on_gpu = torch.cuda.is_available() and torch.cuda.is_initialized()
    return {
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state() if is_on_gpu else None,
        "numpy": [name, torch.from_numpy(keys.astype(np.int64)), *position],
        "random": random.getstate(),
    }


def set_random_state(state: dict[str, Any]) -> None:
    """Go back to a state; a GPU's generator cannot, where there is none."""
    torch.set_rng_state(state["torch"])
    if state["cuda"] is not None and torch.cuda.is_available():
        torch.cuda.set_rng_state(state["cuda"])
    name, keys, *position = state["numpy"]
    np.random.set_state((name, keys.numpy().astype(np.uint32), *position))
    version, internal, gauss = state["random"]
    random.setstate((version, tuple(internal), gauss))
