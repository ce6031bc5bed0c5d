"""Find all clips of CS-ViT2's tars and decide which of their frames are converted.

Clips overlap, so that a frame may stand in several of them. A frame's path alone does not identify
it: all frames of a HOT3D sequence carry the path of the recording, and several people may be seen
in one photograph of COCO. So two frames are the same when path, side and 2D labels are.
"""

from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path, PurePosixPath

import numpy as np

from handvit.datasets.converters.cs_vit2.clips import Clip, clips_of
from handvit.datasets.converters.cs_vit2.joint_order import check_joint_order

METRES_PER_UNIT = 0.001
_CHECKED_CLIPS = 20  # of each tar
_CLIP_DTYPE = np.dtype(
    [("tar", "<i4"), ("start", "<i8"), ("stop", "<i8"), ("first_frame", "<i8"), ("frames", "<i4")]
)


@dataclass(frozen=True)
class ClipPlan:
    """Hold where C clips with N frames in all lie, and what becomes of the frames."""

    tars: Sequence[Path]
    clips: np.ndarray  # (C,) tar, start, stop, first_frame, frames
    is_kept: np.ndarray  # (N,) bool: the frame stands in no earlier clip
    hand_number: np.ndarray  # (N,) counts the hands of one side in an image, of frames kept
    first_times: dict[str, float]  # earliest timestamp of each folder of frames, in its unit


def make_plan(tars: Sequence[Path]) -> ClipPlan:
    """Read the names and 2D labels of all clips.

    Raises:
        ValueError: a tar is cut, a clip lacks a member, or the keypoints are in a wrong order.
    """
    rows, places, labels = [], array("Q"), array("Q")
    first_times: dict[str, float] = {}
    for number, tar in enumerate(tars):
        checked = []
        for start, stop, clip in clips_of(tar):
            rows.append((number, start, stop, len(places), len(clip)))
            times = clip.array("timestamp")
            _identify(clip, times, places, labels)
            name = folder_of(clip)
            first_times[name] = min(first_times.get(name, np.inf), times.min())
            if len(checked) < _CHECKED_CLIPS:
                checked.append(_complete_hands(clip))
        if sum(map(len, checked)):
            check_joint_order(np.concatenate(checked), str(tar))
    is_kept = _is_first(np.array(labels))
    hand_number = _count_earlier(np.array(places), is_kept)
    return ClipPlan(tars, np.array(rows, _CLIP_DTYPE), is_kept, hand_number, first_times)


def folder_of(clip: Clip) -> str:
    """Name the data set and the folder in which a clip's images lay."""
    return "-".join([clip.source or "unknown", *_parts(clip.paths[0])[:-1]])


def is_single(clip: Clip, times: np.ndarray) -> bool:
    """Tell a photograph from a stretch of video: data sets without time are stored at time zero."""
    return len(clip) == 1 and times[0] == 0


def _parts(path: str) -> list[str]:
    return [part for part in PurePosixPath(path).parts if part != "/"]


def _identify(clip: Clip, times: np.ndarray, places: array, labels: array) -> None:
    """Append digests of each frame: of path, side and time, and of path, side and 2D labels."""
    joint_img = clip.array("joint_img")
    for path, time, pixels in zip(clip.paths, times, joint_img, strict=True):
        name = f"{clip.source}\0{path}\0{clip.is_right}\0".encode()
        places.append(_digest(name + time.tobytes()))
        labels.append(_digest(name + pixels.tobytes()))


def _digest(content: bytes) -> int:
    return int.from_bytes(blake2b(content, digest_size=8).digest(), "little")


def _complete_hands(clip: Clip) -> np.ndarray:
    """Return hands whose bones can be measured, (N, 21, 3) metres; HOT3D lacks the thumb's base."""
    num_valid = (clip.array("joint_3d_valid") > 0.5).sum(-1)  # (T,)
    return clip.array("joint_cam")[num_valid >= 20] * METRES_PER_UNIT


def _is_first(values: np.ndarray) -> np.ndarray:
    """Mark the first appearance of each value, (N,) -> (N,) bool."""
    first = np.zeros(len(values), bool)
    first[np.unique(values, return_index=True)[1]] = True
    return first


def _count_earlier(values: np.ndarray, among: np.ndarray) -> np.ndarray:
    """Count equal values before each one, only ``among`` some, (N,) twice -> (N,) int."""
    rows = np.flatnonzero(among)
    rows = rows[np.argsort(values[rows], kind="stable")]
    position = np.arange(len(rows))
    begins = np.ones(len(rows), bool)
    begins[1:] = values[rows[1:]] != values[rows[:-1]]
    counts = np.zeros(len(values), np.int64)
    counts[rows] = position - np.maximum.accumulate(np.where(begins, position, 0))
    return counts
