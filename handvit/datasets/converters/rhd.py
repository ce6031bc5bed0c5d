"""Convert the Rendered Hand Pose Dataset (RHD v2): animated characters, 3D keypoints, no MANO.

Zimmermann & Brox 2017, "Learning to Estimate 3D Hand Pose from Single RGB Images". Each id is one
picture of one character with both of its hands, of which one or both may be hidden.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from handvit.datasets.conversion.converter import RawFrame, Rejection, Unit, View
from handvit.datasets.converters.plain_pickle import load_plain_pickle
from handvit.datasets.shards.dataset_info import DatasetInfo
from handvit.structures import HandSample
from handvit.structures.skeleton import NUM_KEYPOINTS, RHD_TO_CANONICAL, WRIST

SPLITS = ("training", "evaluation")
MIN_VISIBLE = 10
HIDDEN = f"fewer than {MIN_VISIBLE} keypoints of the hand are visible"
NOT_FINITE = "labels are not finite"
_SIDES = ("left", "right")  # in the order of their 21 keypoints
_SHAPES = {"uv_vis": (2 * NUM_KEYPOINTS, 3), "xyz": (2 * NUM_KEYPOINTS, 3), "K": (3, 3)}
_IDS_PER_UNIT = 1000
_WHERE = (
    "get RHD_published_v2.zip, the Rendered Handpose Dataset, from the page of lmb.informatik"
    ".uni-freiburg.de and unpack it"
)


class RhdLabels(NamedTuple):
    """Hold the labels of N pictures, sorted by id; left hands come before right ones."""

    ids: np.ndarray  # (N,) int64
    pixels: np.ndarray  # (N, 2, 21, 2) px, RHD's order
    is_visible: np.ndarray  # (N, 2, 21) bool
    points_cam: np.ndarray  # (N, 2, 21, 3) metres, RHD's order
    intrinsics: np.ndarray  # (N, 3, 3) px


class RhdConverter:
    """Convert a split; every picture is a sequence of its own.

    All keypoints in front of the camera are annotated, hidden ones too. Hands of which hardly
    anything is visible are left out.

    Args:
        source: ``RHD_published_v2/``.
        split: ``training`` or ``evaluation``.

    Raises:
        ValueError: names what is missing or wrong in ``source``.
    """

    def __init__(self, source: Path | str, *, split: str, view: View) -> None:
        self.view = view
        self.info = _info(split)
        self._split = split
        self._path = Path(source) / split / f"anno_{split}.pickle"
        self._images = Path(source) / split / "color"
        for path in (self._path, self._images):
            if not path.exists():
                raise ValueError(f"{path}: not found; {_WHERE}")
        self._labels = load_labels(self._path)
        starts = range(0, len(self._labels.ids), _IDS_PER_UNIT)
        self._starts = {f"{split}-{start:05d}": start for start in starts}

    def units(self) -> list[Unit]:
        """List stretches of ids."""
        total = len(self._labels.ids)
        return [
            Unit(name, min(_IDS_PER_UNIT, total - start)) for name, start in self._starts.items()
        ]

    def samples(self, unit: Unit) -> Iterator[HandSample | Rejection]:
        """Yield the visible hands of a stretch of ids."""
        start = self._starts[unit.name]
        for row in range(start, start + unit.num_frames):
            labels = [self._label(row, hand) for hand in range(len(_SIDES))]
            yield from (label for label in labels if isinstance(label, Rejection))
            hands = [label for label in labels if isinstance(label, HandSample)]
            if hands:
                path = self._images / f"{self._labels.ids[row]:05d}.png"
                yield from self.view.store(RawFrame.of_file(path, hands))

    def _label(self, row: int, hand: int) -> HandSample | Rejection:
        number, intrinsics = self._labels.ids[row], self._labels.intrinsics[row]
        order = list(RHD_TO_CANONICAL)
        pixels = self._labels.pixels[row, hand][order]  # (21, 2)
        points_cam = self._labels.points_cam[row, hand][order]  # (21, 3)
        where = f"{self._path}: id {number}, {_SIDES[hand]} hand"
        if not all(np.isfinite(x).all() for x in (pixels, points_cam, intrinsics)):
            return Rejection(NOT_FINITE, where)
        in_front = points_cam[:, 2] > 0  # (21,)
        if (self._labels.is_visible[row, hand][order] & in_front).sum() < MIN_VISIBLE:
            return Rejection(HIDDEN, where)
        # A hand without its wrist has no place of its own, so nothing of it is known in 3D.
        cam_valid = in_front & in_front[WRIST]
        return HandSample(
            sample_id=f"rhd/{self._split}-{number:05d}/cam0/0/{_SIDES[hand]}",
            image=b"",
            image_size=(0, 0),
            is_right=_SIDES[hand] == "right",
            bbox_xyxy=np.concatenate([pixels[in_front].min(0), pixels[in_front].max(0)]),
            focal=intrinsics[[0, 1], [0, 1]],
            princpt=intrinsics[:2, 2],
            camera_valid=True,
            keypoints_img=np.where(in_front[:, None], pixels, 0.0),
            keypoints_img_valid=in_front,
            keypoints_cam=np.where(cam_valid[:, None], points_cam, 0.0),
            keypoints_cam_valid=cam_valid,
        )


def load_labels(path: Path) -> RhdLabels:
    """Read ``anno_{split}.pickle``, executing nothing that it names.

    Raises:
        ValueError: the pickle is damaged, hostile, or not laid out like RHD's.
    """
    content = load_plain_pickle(path)
    if not isinstance(content, dict) or not content:
        raise ValueError(f"{path}: want a dictionary of annotations by id; {_WHERE}")
    for number, annotation in content.items():
        _check_annotation(path, number, annotation)
    ids = sorted(content)
    uv_vis, xyz, intrinsics = (
        np.stack([content[number][key] for number in ids]).astype(np.float64) for key in _SHAPES
    )
    uv_vis = uv_vis.reshape(-1, len(_SIDES), NUM_KEYPOINTS, 3)  # (N, 2, 21, 3)
    points_cam = xyz.reshape(-1, len(_SIDES), NUM_KEYPOINTS, 3)  # (N, 2, 21, 3)
    return RhdLabels(np.array(ids), uv_vis[..., :2], uv_vis[..., 2] == 1, points_cam, intrinsics)


def _check_annotation(path: Path, number: object, annotation: object) -> None:
    if type(number) is not int or not isinstance(annotation, dict):
        raise ValueError(f"{path}: id {number!r}: want a number and a dictionary; {_WHERE}")
    for key, shape in _SHAPES.items():
        if key not in annotation or np.shape(annotation[key]) != shape:
            raise ValueError(f"{path}: id {number}: {key} is no array of shape {shape}; {_WHERE}")


def _info(split: str) -> DatasetInfo:
    return DatasetInfo(
        name="rhd",
        split=split,
        source=(
            f"Rendered Handpose Dataset RHD_published_v2, {split}. Synthetic characters whose"
            " joints are not MANO's: the wrist and the proportions differ. All keypoints in front"
            " of the camera count as annotated, hidden ones too; hands with fewer than"
            f" {MIN_VISIBLE} visible keypoints are left out. bbox_xyxy is the tight box of all that"
            " are annotated. Pictures are not in temporal order: each is a sequence of one frame."
        ),
        license="University of Freiburg, research only",
    )
