"""Turn crops into tokens with a convolutional or hybrid network from Hugging Face."""

from typing import Any

import torch
from torch import Tensor, nn

from handvit.models.backbones.hf_loading import freeze_unused_parameters, load_hf_model
from handvit.models.layers import sincos_position_encoding
from handvit.registry import MODELS
from handvit.structures import HandTokens

_PROBE_SIZE = 64


@MODELS.register_module()
class HFConvNet(nn.Module):
    """ResNet, ConvNeXtV2, MobileViT or another model whose output is a feature map.

    The cells of the last map are the tokens. A fixed position code is added, because convolutions
    do not tell a token its place.
    """

    def __init__(
        self, *, pretrained: str | None = None, config: dict[str, Any] | None = None
    ) -> None:
        """Load the model.

        Args:
            pretrained: local Hugging Face folder.
            config: transformers config with ``model_type``, for random weights.

        Raises:
            ValueError: the model returns no feature map, or its width is not divisible by 4.
        """
        super().__init__()
        self.model = load_hf_model(pretrained, config).eval()
        probe = torch.zeros(1, 3, _PROBE_SIZE, _PROBE_SIZE)
        self.dim = self._feature_map(probe).shape[1]
        freeze_unused_parameters(self.model, self(probe).patches)
        self.train()

    def forward(self, crop: Tensor) -> HandTokens:
        """Return tokens (B, N, D) of crops (B, 3, S, S)."""
        feature_map = self._feature_map(crop)
        grid = feature_map.shape[-2], feature_map.shape[-1]
        patches = feature_map.flatten(2).mT  # (B, N, D)
        patches = patches + sincos_position_encoding(grid, self.dim, patches.device).to(patches)
        return HandTokens(patches[:, :0], patches, grid)

    def _feature_map(self, crop: Tensor) -> Tensor:
        output = self.model(crop).last_hidden_state  # (B, D, h, w)
        if output.dim() != 4:
            raise ValueError(
                f"backbone: {self.model.config.model_type!r} returns no feature map;"
                " for a vision transformer use HFViT"
            )
        return output
