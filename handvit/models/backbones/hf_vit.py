"""Turn crops into tokens with a vision transformer from Hugging Face."""

from typing import Any

import torch
from torch import Tensor, nn

from handvit.models.backbones.hf_loading import freeze_unused_parameters, load_hf_model
from handvit.registry import MODELS
from handvit.structures import HandTokens


@MODELS.register_module()
class HFViT(nn.Module):
    """DINOv2 (with or without registers), DINOv3 or a plain ViT.

    Register tokens are dropped; the CLS token becomes the prefix.
    """

    def __init__(
        self,
        *,
        pretrained: str | None = None,
        config: dict[str, Any] | None = None,
        gradient_checkpointing: bool = False,
    ) -> None:
        """Load the model.

        Args:
            pretrained: local Hugging Face folder.
            config: transformers config with ``model_type``, for random weights.
            gradient_checkpointing: trade time for memory in training.

        Raises:
            ValueError: the model does not return one token a patch.
        """
        super().__init__()
        self.model = load_hf_model(pretrained, config)
        if gradient_checkpointing:
            self.model.gradient_checkpointing_enable()
        self.dim = self.model.config.hidden_size
        self.patch_size = self.model.config.patch_size
        # A plain ViT must be told to accept sizes other than its own.
        is_plain = self.model.config.model_type == "vit"
        self._options = {"interpolate_pos_encoding": True} if is_plain else {}
        self.num_registers = getattr(self.model.config, "num_register_tokens", 0)
        tokens = self.eval()(torch.zeros(1, 3, 4 * self.patch_size, 4 * self.patch_size))
        self._check(tokens)
        freeze_unused_parameters(self.model, tokens.all)
        self.train()

    def forward(self, crop: Tensor) -> HandTokens:
        """Return tokens (B, 1 + N, D) of crops (B, 3, S, S).

        Raises:
            ValueError: the side is no multiple of the patch size (the model would drop pixels).
        """
        height, width = crop.shape[-2:]
        if height % self.patch_size or width % self.patch_size:
            raise ValueError(
                f"backbone: crop_size {height}x{width} is no multiple of its patch size"
                f" {self.patch_size}; set crop_size={height // self.patch_size * self.patch_size}"
            )
        sequence = self.model(crop, **self._options).last_hidden_state
        grid = (height // self.patch_size, width // self.patch_size)
        return HandTokens(sequence[:, :1], sequence[:, 1 + self.num_registers :], grid)

    def _check(self, tokens: HandTokens) -> None:
        """Refuse models that mask patches (MAE) or have no CLS token (Swin)."""
        found, wanted = tokens.patches.shape[1], tokens.grid[0] * tokens.grid[1]
        if found != wanted:
            raise ValueError(
                f"backbone: HFViT cannot use {self.model.config.model_type!r}, which returns"
                f" {found} tokens for {wanted} patches and a CLS token"
            )
