"""Prepare a Hugging Face model for training as a config asks."""

from typing import Any

from torch import nn

from handvit.models.backbones.hf_families import find_blocks
from handvit.models.backbones.lora import add_lora
from handvit.models.backbones.stochastic_depth import add_stochastic_depth


def apply_training_options(
    model: nn.Module,
    *,
    drop_path: float,
    lora: dict[str, Any] | None,
    gradient_checkpointing: bool,
) -> None:
    """Change how a model trains, not what it computes in eval mode.

    Args:
        model: a transformers model.
        drop_path: probability of skipping its last block; see ``add_stochastic_depth``.
        lora: arguments of ``add_lora``, or None to train all weights.
        gradient_checkpointing: recompute the blocks in the backward pass: less memory, more time.

    Raises:
        ValueError: transformers cannot recompute this model's blocks.
    """
    add_stochastic_depth(model, list(find_blocks(model).values()), drop_path)
    if lora is not None:
        add_lora(model, **lora)
    if gradient_checkpointing:
        if not model.supports_gradient_checkpointing:
            raise ValueError(
                f"backbone: transformers has no gradient checkpointing for"
                f" {model.config.model_type!r}; set gradient_checkpointing=False"
            )
        # Its old name, gradient_checkpointing_enable, is the only one in early 5.x.
        enable = getattr(model, "activation_checkpointing_enable", None)
        (enable or model.gradient_checkpointing_enable)()
