"""Let the tokens of the last frame look back in time."""

import torch
from torch import Tensor, nn

from handvit.models.layers import Attention, Mlp
from handvit.registry import MODELS
from handvit.structures import HandTokens

_TIME_SCALE = 20.0  # rotary radians a second for the fastest pair: 0.67 rad a frame at 30 fps


@MODELS.register_module()
class TemporalEncoder(nn.Module):
    """Causal attention along time for every token position.

    The output layer starts at zero, so the untrained encoder returns the last frame's tokens
    unchanged.
    """

    def __init__(
        self, dim: int, *, num_layers: int = 2, num_heads: int = 16, mlp_ratio: int = 2
    ) -> None:
        """Set up the layers.

        Args:
            dim: token width, given by the estimator.
            num_layers: attention + MLP blocks.
            num_heads: ``dim / num_heads`` must be even (rotary pairs).
            mlp_ratio: hidden width of the MLPs over ``dim``.
        """
        super().__init__()
        if dim % (2 * num_heads):
            raise ValueError(
                f"temporal: num_heads={num_heads} does not divide the token width {dim}"
                " into even parts"
            )
        blocks = [
            TemporalBlock(dim, num_heads=num_heads, mlp_ratio=mlp_ratio) for _ in range(num_layers)
        ]
        self.blocks = nn.ModuleList(blocks)
        self.norm = nn.LayerNorm(dim)
        self.to_out = nn.Linear(dim, dim)
        nn.init.zeros_(self.to_out.weight)
        nn.init.zeros_(self.to_out.bias)

    def forward(self, tokens: HandTokens, frame_time: Tensor, frame_valid: Tensor) -> HandTokens:
        """Return the last frame's tokens, (B, 1, P + N, D), improved by the frames before.

        Args:
            tokens: (B, T, P + N, D).
            frame_time: (B, T) seconds, any regular or irregular rate.
            frame_valid: (B, T) bool; frames that do not exist are not looked at.
        """
        sequence = tokens.all.transpose(1, 2)  # (B, N, T, D)
        B, N = sequence.shape[:2]
        x = sequence.flatten(0, 1)  # (B*N, T, D)
        time = (frame_time - frame_time[:, -1:]) * _TIME_SCALE
        time = time.float().repeat_interleave(N, 0)  # (B*N, T)
        mask = causal_mask(frame_valid).repeat_interleave(N, 0)  # (B*N, T, T)
        for block in self.blocks:
            x = block(x, time, mask)
        update = self.to_out(self.norm(x[:, -1:])).unflatten(0, (B, N)).transpose(1, 2)
        last = tokens.last_frame()
        return last.with_all(last.all + update)  # (B, 1, N, D)


class TemporalBlock(nn.Module):
    """Pre-norm attention over time, then an MLP, both residual."""

    def __init__(self, dim: int, *, num_heads: int, mlp_ratio: int) -> None:
        super().__init__()
        self.attention_norm = nn.LayerNorm(dim)
        self.attention = Attention(dim, num_heads=num_heads, context_dim=dim)
        self.mlp_norm = nn.LayerNorm(dim)
        self.mlp = Mlp(dim, mlp_ratio * dim)

    def forward(self, x: Tensor, time: Tensor, mask: Tensor) -> Tensor:
        """Return (B, T, D) of x (B, T, D), time (B, T) and mask (B, T, T)."""
        normed = self.attention_norm(x)
        x = x + self.attention.forward_in_time(normed, normed, (time, time), mask)
        return x + self.mlp(self.mlp_norm(x))


def causal_mask(frame_valid: Tensor) -> Tensor:
    """Return who may look at whom, (B, T, T) bool: existing frames up to now, and oneself."""
    T = frame_valid.shape[1]
    past = torch.ones(T, T, dtype=torch.bool, device=frame_valid.device).tril()
    oneself = torch.eye(T, dtype=torch.bool, device=frame_valid.device)
    return (past & frame_valid[:, None, :]) | oneself
