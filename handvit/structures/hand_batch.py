"""Hold a batch of hand clips as the loader delivers it.

Every tensor carries ``(B, T, ...)``: B clips of T frames, the last of which is predicted. Stage 1
uses ``T = 1``. Named tuples, because MMEngine moves them between devices without help.
"""

from typing import NamedTuple

from torch import Tensor

from handvit.structures.mano_params import ManoParams


class HandLabels(NamedTuple):
    """State what is known of each hand besides its pixels: camera, box, time and annotation.

    Entries whose ``*_valid`` is false hold finite numbers without meaning (zeros or identities).
    """

    sample_id: list[str]  # (B,) of the last frame: <dataset>/<sequence>/<camera>/<frame>/<side>
    is_right: Tensor  # (B, T) bool
    bbox_xyxy: Tensor  # (B, T, 4) px, tight hand box
    focal: Tensor  # (B, T, 2) px
    princpt: Tensor  # (B, T, 2) px
    camera_valid: Tensor  # (B, T) bool: the intrinsics are real, not guessed
    frame_time: Tensor  # (B, T) float64 seconds
    frame_valid: Tensor  # (B, T) bool: false where a clip starts before its track does
    keypoints_img: Tensor  # (B, T, 21, 2) px
    keypoints_img_valid: Tensor  # (B, T, 21) bool
    keypoints_cam: Tensor  # (B, T, 21, 3) metres
    keypoints_cam_valid: Tensor  # (B, T, 21) bool
    mano: ManoParams  # (B, T, ...)
    mano_valid: Tensor  # (B, T) bool

    def last_frame(self) -> "HandLabels":
        """Keep the predicted frame only: every ``(B, T, ...)`` becomes ``(B, 1, ...)``."""
        return HandLabels(*(_last_frame(field) for field in self))


class HandBatch(NamedTuple):
    """Pair stored images with their labels, both in the stored image's own camera."""

    image: Tensor  # (B, T, 3, H, W) uint8 RGB, padded right and below; channels last in memory
    image_size: Tensor  # (B, T, 2) width and height before the padding, px
    labels: HandLabels


def _last_frame(field: Tensor | ManoParams | list[str]) -> Tensor | ManoParams | list[str]:
    if isinstance(field, ManoParams):
        return ManoParams(*(tensor[:, -1:] for tensor in field))
    return field[:, -1:] if isinstance(field, Tensor) else field
