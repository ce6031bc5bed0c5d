"""Turn crops into tokens with a hierarchical window transformer from Hugging Face."""

from typing import Any

from torch import Tensor, nn

from handvit.models.backbones.hf_families import check_family, find_blocks, number_layers
from handvit.models.backbones.hf_loading import load_hf_model
from handvit.models.backbones.token_grid import token_grid
from handvit.models.backbones.training_options import apply_training_options
from handvit.models.backbones.unused_parameters import freeze_unused_parameters
from handvit.registry import MODELS
from handvit.structures import HandTokens


@MODELS.register_module()
class HFSwin(nn.Module):
    """Swin or SwinV2 (Liu et al. 2021, 2022): the tokens are the last stage's, without a CLS token.

    A crop is no smaller than the model's own ``image_size``, which its windows are laid out for:
    SwinV2 would fill them with padding, and Swin would shrink them for good.
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
            drop_path: probability of skipping the last block in training, less before it; it
                replaces the checkpoint's own.
            lora: train low-rank adapters only, e.g. ``dict(rank=8, alpha=16)``; or None.
            gradient_checkpointing: trade time for memory in training.
        """
        super().__init__()
        self.model = load_hf_model(pretrained, config)
        check_family(self.model, HFSwin)
        self.dim = self.model.config.hidden_size
        self.num_layers = len(find_blocks(self.model))
        self.min_side = self.model.config.image_size
        self.stride = self.model.config.patch_size * 2 ** (len(self.model.config.depths) - 1)
        apply_training_options(
            self.model,
            drop_path=drop_path,
            lora=lora,
            gradient_checkpointing=gradient_checkpointing,
        )
        self._layers = number_layers(self)
        freeze_unused_parameters(self, crop_size=self.min_side)

    def forward(self, crop: Tensor) -> HandTokens:
        """Return tokens (B, N, D) of crops (B, 3, S, S).

        Raises:
            ValueError: the side is no multiple of the stride (the model would pad), or too small.
        """
        grid = token_grid(crop, self.stride)
        height, width = crop.shape[-2:]
        if min(height, width) < self.min_side:
            raise ValueError(
                f"backbone: crop_size {height}x{width} is less than the model's image_size"
                f" {self.min_side}; set crop_size={self.min_side}"
            )
        patches = self.model(crop).last_hidden_state  # (B, N, D)
        return HandTokens(patches[:, :0], patches, grid)

    def layer_of(self, name: str) -> int:
        """Return how deep a parameter works; see ``number_layers``."""
        return self._layers[name]
