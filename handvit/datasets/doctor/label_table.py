"""Hold the labels of many samples as arrays, one row a sample, without their images."""

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from handvit.datasets.doctor.anatomy import bone_lengths
from handvit.datasets.shards.dataset_info import DatasetInfo
from handvit.structures.hand_sample import track_of

#: Known keypoints that make a hand complete enough to judge its size and its bones. Some data sets
#: annotate no base of the thumb.
MOST_KEYPOINTS = 18


class BadRecord(NamedTuple):
    """Tell why a sample could not be read."""

    message: str  # names shard and key
    is_behind_camera: bool  # a keypoint that is marked valid has z <= 0


@dataclass(frozen=True, eq=False, kw_only=True)
class LabelTable:
    """Keep what checks look at, about a kilobyte a sample; fields are those of ``HandSample``.

    Args:
        num_samples: of the whole data set; N of them were read.
        group: hands that should have bones of one length: subject (or sequence) and side.
        image_digest: equal for equal image bytes.
        frame_size: width and height of the frame that the image was cut from; NaN where the
            converter stored none, which makes the image a full frame.
        crop_bbox_xyxy: the image in that frame, NaN likewise.
    """

    info: DatasetInfo
    num_samples: int
    bad_records: tuple[BadRecord, ...]
    row: np.ndarray  # (N,) int64 in the data set
    sample_id: np.ndarray  # (N,) str
    group: np.ndarray  # (N,) str
    image_digest: np.ndarray  # (N,) uint64
    image_size: np.ndarray  # (N, 2) px
    frame_size: np.ndarray  # (N, 2) px
    crop_bbox_xyxy: np.ndarray  # (N, 4) px of the frame
    is_right: np.ndarray  # (N,) bool
    bbox_xyxy: np.ndarray  # (N, 4) px
    focal: np.ndarray  # (N, 2) px
    princpt: np.ndarray  # (N, 2) px
    camera_valid: np.ndarray  # (N,) bool
    frame_time: np.ndarray  # (N,) seconds
    keypoints_img: np.ndarray  # (N, 21, 2) float32 px
    keypoints_img_valid: np.ndarray  # (N, 21) bool
    keypoints_cam: np.ndarray  # (N, 21, 3) float32 metres
    keypoints_cam_valid: np.ndarray  # (N, 21) bool
    mano_valid: np.ndarray  # (N,) bool
    global_orient: np.ndarray  # (N, 3) float32
    hand_pose: np.ndarray  # (N, 45) float32
    betas: np.ndarray  # (N, 10) float32
    mano_root_cam: np.ndarray  # (N, 3) float32 metres

    def __len__(self) -> int:
        return len(self.row)

    @cached_property
    def bone_length(self) -> np.ndarray:
        """Lengths of the bones, (N, 20) metres; NaN where an end is not annotated."""
        return bone_lengths(self.known_keypoints_cam)

    @cached_property
    def known_keypoints_cam(self) -> np.ndarray:
        """3D keypoints in float64, (N, 21, 3) metres; NaN where not annotated."""
        keypoints = self.keypoints_cam.astype(np.float64)
        keypoints[~self.keypoints_cam_valid] = np.nan
        return keypoints

    @cached_property
    def extent(self) -> np.ndarray:
        """Size of hands as posed, (N,) metres: diagonal of the box around the known keypoints.

        It does not depend on their order; NaN where fewer than ``MOST_KEYPOINTS`` are known.
        """
        known = self.keypoints_cam_valid[..., None]
        low = np.where(known, self.keypoints_cam, np.inf).min(1)
        high = np.where(known, self.keypoints_cam, -np.inf).max(1)
        extent = np.linalg.norm(high - low, axis=-1)
        return np.where(known[..., 0].sum(1) >= MOST_KEYPOINTS, extent, np.nan)

    @cached_property
    def track(self) -> np.ndarray:
        """Number of the track of each sample, (N,) int64."""
        names = [track_of(sample_id) for sample_id in self.sample_id]
        return np.unique(names, return_inverse=True)[1]
