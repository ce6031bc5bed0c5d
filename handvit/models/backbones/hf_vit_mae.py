"""Turn crops into tokens with the encoder of a masked autoencoder from Hugging Face."""

from typing import Any

import torch
from torch import Tensor, nn

from handvit.models.backbones.hf_families import check_family, find_blocks, number_layers
from handvit.models.backbones.hf_loading import load_hf_model
from handvit.models.backbones.layer_fusion import fused_tokens
from handvit.models.backbones.token_grid import token_grid
from handvit.models.backbones.training_options import apply_training_options
from handvit.models.backbones.unused_parameters import freeze_unused_parameters
from handvit.registry import MODELS
from handvit.structures import HandTokens


@MODELS.register_module()
class HFViTMAE(nn.Module):
    """MAE's encoder (He et al. 2022) without its masking: every patch, in raster order.

    Its fixed sine-cosine positions are interpolated to the crop and never trained.
    """

    def __init__(
        self,
        *,
        pretrained: str | None = None,
        config: dict[str, Any] | None = None,
        drop_cls: bool = False,
        fusion: dict[str, Any] | None = None,
        drop_path: float = 0.0,
        lora: dict[str, Any] | None = None,
        gradient_checkpointing: bool = False,
    ) -> None:
        """Load the model; the arguments are those of ``HFViT``."""
        super().__init__()
        self.model = load_hf_model(pretrained, config)
        check_family(self.model, HFViTMAE)
        self.model.config.mask_ratio = 0.0
        # Loading from a folder forgets that they are fixed.
        self.model.embeddings.position_embeddings.requires_grad_(False)
        self.dim = self.model.config.hidden_size
        self.num_layers = len(find_blocks(self.model))
        self.patch_size = self.model.config.patch_size
        self.num_prefix = 0 if drop_cls else 1
        apply_training_options(
            self.model,
            drop_path=drop_path,
            lora=lora,
            gradient_checkpointing=gradient_checkpointing,
        )
        sizes = dict(dim=self.dim, num_layers=self.num_layers)
        self.fusion = MODELS.build({**fusion, **sizes}) if fusion else None
        self._layers = number_layers(self)
        freeze_unused_parameters(self, crop_size=2 * self.patch_size)

    def forward(self, crop: Tensor) -> HandTokens:
        """Return tokens (B, P + N, D) of crops (B, 3, S, S); P = 0 without the CLS token.

        Raises:
            ValueError: the side is no multiple of the patch size (the model would drop pixels).
        """
        rows, columns = token_grid(crop, self.patch_size)
        output = self.model(
            crop,
            noise=self._raster_order(len(crop), rows * columns, crop.device),
            interpolate_pos_encoding=True,
            output_hidden_states=self.fusion is not None,
        )
        sequence = fused_tokens(self.fusion, output)  # (B, 1 + N, D)
        return HandTokens(sequence[:, : self.num_prefix], sequence[:, 1:], (rows, columns))

    def layer_of(self, name: str) -> int:
        """Return how deep a parameter works; see ``number_layers``."""
        return self._layers[name]

    @staticmethod
    def _raster_order(num_crops: int, num_patches: int, device: torch.device) -> Tensor:
        """Noise (B, N) that the model sorts its patches by, instead of shuffling them."""
        return torch.arange(num_patches, device=device).expand(num_crops, -1)
