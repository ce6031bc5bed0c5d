"""Crop (B, 3, S, S) in, ``HandTokens`` out; each class states its token width as ``dim``."""

from handvit.models.backbones.hf_conv_net import HFConvNet
from handvit.models.backbones.hf_vit import HFViT

__all__ = ["HFConvNet", "HFViT"]
