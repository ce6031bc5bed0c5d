"""Let the tokens of the last frame look back in time."""

import torch
from torch import Tensor, nn

from handvit.models.layers import Attention, Mlp
from handvit.models.layers.attention import KeysValues
from handvit.models.necks.temporal_cache import TemporalCache
from handvit.registry import MODELS
from handvit.structures import HandTokens

_TIME_SCALE = 20.0  # rotary radians a second for the fastest pair: 0.67 rad a frame at 30 fps


@MODELS.register_module()
class TemporalEncoder(nn.Module):
    """Causal attention along time for every token position.

    In every layer a frame looks at itself and at the ``max_frames - 1`` existing frames before it:
    the mask is a causal band, and L layers reach ``L * (max_frames - 1)`` frames back. ``forward``
    takes a whole clip, ``step`` one frame of a stream, and both compute the same: a step returns
    what ``forward`` returns for all frames since the stream began. In streams longer than
    ``max_frames`` that is not the clip of the last ``max_frames`` frames, unless there is one layer
    only: the frames that are looked at have themselves looked further back.

    The output layer starts at zero, so the untrained encoder returns the last frame's tokens
    unchanged.
    """

    def __init__(
        self,
        dim: int,
        *,
        num_layers: int = 2,
        num_heads: int = 16,
        mlp_ratio: int = 2,
        max_frames: int = 7,
    ) -> None:
        """Set up the layers.

        Args:
            dim: token width, given by the estimator.
            num_layers: attention + MLP blocks.
            num_heads: ``dim / num_heads`` must be even (rotary pairs).
            mlp_ratio: hidden width of the MLPs over ``dim``.
            max_frames: that a frame looks at, itself included. Give the length of the clips: with
                less, their first frames are seen through later ones only.
        """
        super().__init__()
        if dim % (2 * num_heads):
            raise ValueError(
                f"temporal: num_heads={num_heads} does not divide the token width {dim}"
                " into even parts"
            )
        if num_layers < 1:
            raise ValueError(f"temporal: num_layers={num_layers} must be 1 or more")
        if max_frames < 2:
            raise ValueError(f"temporal: max_frames={max_frames} must be 2 or more to look back")
        self.max_frames = max_frames
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
        x = _by_position(tokens)  # (B*N, T, D)
        time = _rotary_time(frame_time, len(x))  # (B*N, T)
        mask = causal_mask(frame_valid, self.max_frames)
        mask = mask.repeat_interleave(len(x) // len(mask), 0)  # (B*N, T, T)
        *early, last = self.blocks
        for block in early:
            x, _ = block(x, None, (time, time), mask)
        # Nobody looks at what the last block makes of the frames before the last one.
        past = last.context(x[:, :-1])
        x, _ = last(x[:, -1:], past, (time[:, -1:], time), mask[:, -1:])
        return self._improve(tokens.last_frame(), x)

    def step(
        self, tokens: HandTokens, frame_time: Tensor, cache: TemporalCache | None = None
    ) -> tuple[HandTokens, TemporalCache]:
        """Return one frame's tokens, improved by those before, and the cache for the next frame.

        Step existing frames only. Start again from None for a new hand, after a hand was lost, and
        when the hands of the batch change.

        Args:
            tokens: (B, 1, P + N, D).
            frame_time: (B,) seconds; in float64 if they count from 1970.
            cache: what the step before returned for the same B hands, or None.

        Raises:
            ValueError: the cache is of another number of hands.
        """
        times, past = _with_past(frame_time, cache, len(self.blocks))
        x = _by_position(tokens)  # (B*N, 1, D)
        time = _rotary_time(times, len(x))  # (B*N, W)
        layers = []
        for block, before in zip(self.blocks, past, strict=True):
            x, context = block(x, before, (time[:, -1:], time))
            layers.append(context.last(self.max_frames - 1))
        cache = TemporalCache(tuple(layers), times[:, 1 - self.max_frames :])
        return self._improve(tokens, x), cache

    def _improve(self, tokens: HandTokens, x: Tensor) -> HandTokens:
        """Add what the blocks found, (B*N, 1, D), to one frame's tokens (B, 1, N, D)."""
        update = self.to_out(self.norm(x)).unflatten(0, (len(tokens.patches), -1))  # (B, N, 1, D)
        return tokens.with_all(tokens.all + update.transpose(1, 2))


class TemporalBlock(nn.Module):
    """Pre-norm attention over time, then an MLP, both residual."""

    def __init__(self, dim: int, *, num_heads: int, mlp_ratio: int) -> None:
        super().__init__()
        self.attention_norm = nn.LayerNorm(dim)
        self.attention = Attention(dim, num_heads=num_heads, context_dim=dim)
        self.mlp_norm = nn.LayerNorm(dim)
        self.mlp = Mlp(dim, mlp_ratio * dim)

    def forward(
        self,
        x: Tensor,
        past: KeysValues | None,
        times: tuple[Tensor, Tensor],
        mask: Tensor | None = None,
    ) -> tuple[Tensor, KeysValues]:
        """Return the frames (B, T, D) after looking back, and the context they looked at.

        Args:
            x: (B, T, D).
            past: context of W frames before x, or None.
            times: of x (B, T), and of the past and x (B, W + T).
            mask: (B, T, W + T) bool, or None where all may be looked at.
        """
        normed = self.attention_norm(x)
        own = self.attention.project(normed)
        context = own if past is None else past.followed_by(own)
        x = x + self.attention.attend_in_time(normed, context, times, mask)
        return x + self.mlp(self.mlp_norm(x)), context

    def context(self, x: Tensor) -> KeysValues:
        """Return what later frames may look at in the frames (B, T, D)."""
        return self.attention.project(self.attention_norm(x))


def causal_mask(frame_valid: Tensor, window: int) -> Tensor:
    """Return who may look at whom, (B, T, T) bool: oneself and existing frames up to now.

    Args:
        frame_valid: (B, T) bool.
        window: number of existing frames, the present one included, that one may look at.
    """
    T = frame_valid.shape[1]
    oneself = torch.eye(T, dtype=torch.bool, device=frame_valid.device)
    past = torch.ones_like(oneself).tril()
    count = frame_valid.cumsum(1)  # (B, T) existing frames so far
    age = count[:, :, None] - count[:, None, :]  # (B, T, T) in existing frames
    return (past & frame_valid[:, None, :] & (age < window)) | oneself


def _by_position(tokens: HandTokens) -> Tensor:
    """Put time where attention looks: (B, T, N, D) -> (B*N, T, D), every position on its own."""
    return tokens.all.transpose(1, 2).flatten(0, 1)


def _rotary_time(frame_time: Tensor, num_rows: int) -> Tensor:
    """Return times since the last frame, (B, T) seconds -> (B*N, T), one row a token position.

    The difference is taken in the dtype of the times, before anything is rounded to float32.
    """
    time = (frame_time - frame_time[:, -1:]) * _TIME_SCALE
    return time.repeat_interleave(num_rows // len(time), 0)


def _with_past(
    frame_time: Tensor, cache: TemporalCache | None, num_layers: int
) -> tuple[Tensor, tuple[KeysValues | None, ...]]:
    """Return the times (B, W) up to now, and what each layer remembers."""
    frame_time = frame_time[:, None]  # (B, 1)
    if cache is None:
        return frame_time, (None,) * num_layers
    if len(cache.frame_time) != len(frame_time):
        raise ValueError(
            f"temporal: the cache holds {len(cache.frame_time)} hands, the tokens"
            f" {len(frame_time)}; start again with cache=None"
        )
    return torch.cat([cache.frame_time, frame_time], 1), cache.layers
