"""Know how the families of Hugging Face models are built: whose they are, and their blocks."""

import re
from importlib.metadata import version
from typing import NamedTuple

from torch import nn


class Family(NamedTuple):
    """What a backbone must know about models of one type."""

    backbone: str  # the class that makes tokens of it
    blocks: str  # pattern of the names of its residual blocks
    is_bgr: bool = False  # its checkpoints were trained with blue as the first channel


_LAYERS = r"(?:\w+\.)?layers?\.\d+"
_STAGES = r"encoder\.stages\.\d+\.layers\.\d+"
_WINDOWS = r"encoder\.layers\.\d+\.blocks\.\d+"

FAMILIES = {
    "dinov2": Family("HFViT", _LAYERS),
    "dinov2_with_registers": Family("HFViT", _LAYERS),
    "dinov3_vit": Family("HFViT", _LAYERS),
    "vit": Family("HFViT", _LAYERS),
    "vit_mae": Family("HFViTMAE", _LAYERS),
    "swin": Family("HFSwin", _WINDOWS),
    "swinv2": Family("HFSwin", _WINDOWS),
    "resnet": Family("HFConvNet", _STAGES),
    "convnext": Family("HFConvNet", _STAGES),
    "convnextv2": Family("HFConvNet", _STAGES),
    # Two stages of inverted residuals, then three blocks that hold a transformer each.
    "mobilevit": Family(
        "HFConvNet",
        r"encoder\.layer\.[01]\.layer\.\d+|encoder\.layer\.[2-4]",
        is_bgr=True,
    ),
}


def check_family(model: nn.Module, backbone: type[nn.Module]) -> None:
    """Refuse a model that belongs to another backbone class, or to none.

    Raises:
        ValueError: with the class to use.
    """
    model_type = model.config.model_type
    if model_type not in FAMILIES:
        raise ValueError(f"backbone: unknown model_type {model_type!r}; known: {sorted(FAMILIES)}")
    wanted = FAMILIES[model_type].backbone
    if wanted != backbone.__name__:
        raise ValueError(
            f"backbone: {backbone.__name__} cannot use {model_type!r}; set type={wanted!r}"
        )


def find_blocks(model: nn.Module) -> dict[str, nn.Module]:
    """Return the residual blocks by name, from the input to the output, stages flattened.

    Raises:
        ValueError: there are none, as when a version of transformers names its modules otherwise.
    """
    model_type = model.config.model_type
    pattern = re.compile(FAMILIES[model_type].blocks)
    blocks = {name: module for name, module in model.named_modules() if pattern.fullmatch(name)}
    if not blocks:
        raise ValueError(
            f"backbone: found no blocks {pattern.pattern!r} in {model_type!r} of transformers"
            f" {version('transformers')}; install a version that requirements/runtime.txt allows"
        )
    return blocks


def number_layers(backbone: nn.Module) -> dict[str, int]:
    """Return how deep each parameter of a backbone works, for layer-wise learning rates.

    0 is the embeddings, 1 to L the blocks of ``backbone.model``, L + 1 what comes after them. What
    lies between two stages counts for the block before it. Modules are registered in the order of
    their use, which is what this relies on.
    """
    prefixes = [f"model.{name}." for name in find_blocks(backbone.model)]
    numbers, layer = {}, 0
    for name, _ in backbone.named_parameters():
        inside = [number for number, prefix in enumerate(prefixes, 1) if name.startswith(prefix)]
        if inside:
            (layer,) = inside
        elif layer == len(prefixes):
            layer += 1
        numbers[name] = layer
    return numbers
