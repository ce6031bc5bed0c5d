"""Remember the last frames of a stream between two steps of the temporal encoder."""

from typing import NamedTuple

from torch import Tensor

from handvit.models.layers.attention import KeysValues


class TemporalCache(NamedTuple):
    """Hold what the next frame of B hands may look at: the last W frames, W < ``max_frames``.

    Keys are stored without their rotation, and times as they came. Each step rotates by the time
    since its own frame, so precision does not decay however long the stream runs.
    """

    layers: tuple[KeysValues, ...]  # of each block (B * N, H, W, d), the newest frame last
    frame_time: Tensor  # (B, W) seconds
