"""Turn crops into tokens with a vision transformer from Hugging Face."""

from typing import Any

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
class HFViT(nn.Module):
    """DINOv2 (with or without registers), DINOv3 or a plain ViT.

    Register tokens are dropped; the CLS token becomes the prefix. Crops may have any side that
    is a multiple of the patch size: positions are interpolated. DINOv3's random scaling of rotary
    positions, which its pre-training used, is off: a token must know its place.
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
        """Load the model.

        Args:
            pretrained: local Hugging Face folder.
            config: transformers config with ``model_type``, for random weights.
            drop_cls: return no CLS token.
            fusion: how to mix the tokens of several blocks, e.g. ``LayerFusion``; or None.
            drop_path: probability of skipping the last block in training, less before it.
            lora: train low-rank adapters only, e.g. ``dict(rank=8, alpha=16)``; or None.
            gradient_checkpointing: trade time for memory in training.
        """
        super().__init__()
        self.model = load_hf_model(pretrained, config)
        check_family(self.model, HFViT)
        if hasattr(self.model.config, "pos_embed_rescale"):
            self.model.config.pos_embed_rescale = None
        self.dim = self.model.config.hidden_size
        self.num_layers = len(find_blocks(self.model))
        self.patch_size = self.model.config.patch_size
        # The CLS token, then registers.
        self.num_special = 1 + getattr(self.model.config, "num_register_tokens", 0)
        self.num_prefix = 0 if drop_cls else 1
        # A plain ViT must be told to accept sizes other than its own.
        is_plain = self.model.config.model_type == "vit"
        self._options = {"interpolate_pos_encoding": True} if is_plain else {}
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
        grid = token_grid(crop, self.patch_size)
        fused = self.fusion is not None
        output = self.model(crop, output_hidden_states=fused, **self._options)
        sequence = fused_tokens(self.fusion, output)  # (B, special + N, D)
        return HandTokens(sequence[:, : self.num_prefix], sequence[:, self.num_special :], grid)

    def layer_of(self, name: str) -> int:
        """Return how deep a parameter works; see ``number_layers``."""
        return self._layers[name]
