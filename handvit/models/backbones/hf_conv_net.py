"""Turn crops into tokens with a convolutional or hybrid network from Hugging Face."""

from typing import Any

import torch
from torch import Tensor, nn

from handvit.models.backbones.hf_families import (
    FAMILIES,
    check_family,
    find_blocks,
    number_layers,
)
from handvit.models.backbones.hf_loading import load_hf_model
from handvit.models.backbones.token_grid import token_grid
from handvit.models.backbones.training_options import apply_training_options
from handvit.models.backbones.unused_parameters import freeze_unused_parameters
from handvit.models.layers import sincos_position_encoding
from handvit.registry import MODELS
from handvit.structures import HandTokens

_PROBE_SIZE = 64


@MODELS.register_module()
class HFConvNet(nn.Module):
    """ResNet, ConvNeXt (V1, V2) or MobileViT.

    The cells of the last map are the tokens. A fixed position code is added, because convolutions
    do not tell a token its place. Crops are RGB for every family; MobileViT, whose checkpoints were
    trained with BGR, gets its channels flipped.
    """

    def __init__(
        self,
        *,
        pretrained: str | None = None,
        config: dict[str, Any] | None = None,
        drop_path: float = 0.0,
        lora: dict[str, Any] | None = None,
        gradient_checkpointing: bool = False,
    ) -> None:
        """Load the model.

        Args:
            pretrained: local Hugging Face folder.
            config: transformers config with ``model_type``, for random weights.
            drop_path: probability of skipping the last block in training, less before it; without
                effect on blocks that change the shape, which have no residual to keep.
            lora: train low-rank adapters only (MobileViT), e.g. ``dict(rank=8, alpha=16)``; or
                None.
            gradient_checkpointing: trade time for memory in training (MobileViT only, whose batch
                norms then count the recomputed crops twice in their running statistics).

        Raises:
            ValueError: the model is no such network, its width is not divisible by 4, or it cannot
                do what is asked.
        """
        super().__init__()
        self.model = load_hf_model(pretrained, config).eval()
        check_family(self.model, HFConvNet)
        self.is_bgr = FAMILIES[self.model.config.model_type].is_bgr
        self.num_layers = len(find_blocks(self.model))
        apply_training_options(
            self.model,
            drop_path=drop_path,
            lora=lora,
            gradient_checkpointing=gradient_checkpointing,
        )
        with torch.no_grad():
            probe = torch.zeros(1, 3, _PROBE_SIZE, _PROBE_SIZE)
            _, self.dim, rows, _ = self.model(probe).last_hidden_state.shape
        self.stride = _PROBE_SIZE // rows
        self._layers = number_layers(self)
        freeze_unused_parameters(self, crop_size=_PROBE_SIZE)

    def forward(self, crop: Tensor) -> HandTokens:
        """Return tokens (B, N, D) of crops (B, 3, S, S).

        Raises:
            ValueError: the side is no multiple of the stride (the model would drop or pad pixels).
        """
        grid = token_grid(crop, self.stride)
        channels = crop.flip(1) if self.is_bgr else crop
        feature_map = self.model(channels).last_hidden_state  # (B, D, h, w)
        patches = feature_map.flatten(2).mT  # (B, N, D)
        patches = patches + sincos_position_encoding(grid, self.dim, patches.device).to(patches)
        return HandTokens(patches[:, :0], patches, grid)

    def layer_of(self, name: str) -> int:
        """Return how deep a parameter works; see ``number_layers``."""
        return self._layers[name]
