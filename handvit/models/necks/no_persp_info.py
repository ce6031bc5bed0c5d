"""Tell tokens nothing about their camera: the baseline of the other necks."""

from torch import nn

from handvit.registry import MODELS
from handvit.structures import HandCrops, HandTokens


@MODELS.register_module()
class NoPerspInfo(nn.Module):
    """Pass tokens on as they are; without parameters."""

    def __init__(self, dim: int) -> None:
        """Take the token width ``dim`` like every neck; nothing depends on it."""
        super().__init__()

    def forward(self, tokens: HandTokens, crops: HandCrops) -> HandTokens:
        """Return the tokens (B, T, P + N, D)."""
        return tokens
