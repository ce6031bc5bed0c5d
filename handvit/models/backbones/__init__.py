"""Crop (B, 3, S, S) in, ``HandTokens`` out.

Each class states its token width as ``dim``, its number of residual blocks as ``num_layers``, and
for a parameter's name (relative to the backbone) its depth as ``layer_of(name)``: 0 embeddings, 1
to ``num_layers`` blocks, ``num_layers + 1`` what comes after them.
"""

from handvit.models.backbones.hf_conv_net import HFConvNet
from handvit.models.backbones.hf_swin import HFSwin
from handvit.models.backbones.hf_vit import HFViT
from handvit.models.backbones.hf_vit_mae import HFViTMAE
from handvit.models.backbones.layer_fusion import LayerFusion

__all__ = ["HFConvNet", "HFSwin", "HFViT", "HFViTMAE", "LayerFusion"]
