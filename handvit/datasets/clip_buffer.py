"""Cut clips out of frames that come one after the other."""

from collections import OrderedDict, deque
from typing import NamedTuple

import numpy as np

from handvit.structures import HandSample

MAX_OPEN_TRACKS = 64


class EncodedClip(NamedTuple):
    """Hold T frames of one hand, images still encoded; see ``HandClip``."""

    samples: list[HandSample]  # (T,)
    frame_valid: np.ndarray  # (T,) bool


class ClipBuffer:
    """Remember the last frames of each track: what ``ClipIndex`` is to a reader with an index.

    The frames of a track come in the order of their time, and frames of at most
    ``MAX_OPEN_TRACKS`` tracks alternate, such as the hands and cameras of one recording.

    One buffer is for one shard, so that it does not grow with the data set.

    Args:
        clip_length: frames in a clip.
        stride: steps between the frames of a clip, counted in stored frames.
        max_frame_gap: seconds without a frame after which a track counts as new.
    """

    def __init__(self, *, clip_length: int, stride: int, max_frame_gap: float) -> None:
        self._length = clip_length
        self._stride = stride
        self._max_frame_gap = max_frame_gap
        self._frames: OrderedDict[str, deque[HandSample]] = OrderedDict()  # the latest track last
        self._last_time: dict[str, float] = {}  # of every track

    def add(self, sample: HandSample) -> EncodedClip:
        """Return the clip that ends in the next frame.

        Raises:
            ValueError: frames come in an order that loses history.
        """
        if self._length == 1:
            return EncodedClip([sample], np.ones(1, bool))
        frames = self._history(sample)
        frames.append(sample)
        self._frames[sample.track] = frames
        self._last_time[sample.track] = sample.frame_time
        if len(self._frames) > MAX_OPEN_TRACKS:
            self._frames.popitem(last=False)
        steps_back = self._stride * np.arange(self._length - 1, -1, -1)
        valid = steps_back < len(frames)
        first = steps_back[valid.argmax()]  # stands in where history is missing
        return EncodedClip([frames[-1 - back] for back in np.minimum(steps_back, first)], valid)

    def _history(self, sample: HandSample) -> deque[HandSample]:
        """Take the frames before a sample out of the buffer; none where a new run begins."""
        frames = self._frames.pop(sample.track, None)
        if sample.track not in self._last_time:
            return self._no_history()
        gap = sample.frame_time - self._last_time[sample.track]
        if gap <= 0:
            raise ValueError(
                f"sample_id: {sample.sample_id!r} does not come after the frame before it in its"
                " track; read the data set with HandClipDataset, or sort its frames by time"
            )
        if gap > self._max_frame_gap:
            return self._no_history()
        if frames is None:
            raise ValueError(
                f"sample_id: {sample.sample_id!r} continues a track after frames of more than"
                f" {MAX_OPEN_TRACKS} others; read the data set with HandClipDataset"
            )
        return frames

    def _no_history(self) -> deque[HandSample]:
        return deque(maxlen=self._stride * (self._length - 1) + 1)
