"""Convert the hands of COCO-WholeBody v1.0: 2D keypoints in photographs, without a camera.

Jin et al. 2020, "Whole-Body Human Pose Estimation in the Wild". Left and right are the person's.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from handvit.datasets.conversion.converter import RawFrame, Rejection, Unit, View
from handvit.datasets.converters.coco_wholebody.annotations import (
    SIDES,
    CocoImage,
    load_annotations,
)
from handvit.datasets.converters.guessed_camera import guessed_camera
from handvit.datasets.shards.dataset_info import DatasetInfo
from handvit.structures import HandSample

SPLITS = ("train", "val")
NO_KEYPOINTS = "no keypoint is annotated"
NOT_FINITE = "labels are not finite"
_IMAGES_PER_UNIT = 1000


class CocoWholeBodyConverter:
    """Convert a split, image by image in the order of their ids.

    Every hand is a sequence of its own: photographs have no order in time.

    Args:
        source: folder with ``annotations/`` and ``train2017/`` or ``val2017/``.
        split: ``train`` or ``val``.

    Raises:
        ValueError: names what is missing or wrong in ``source``.
    """

    def __init__(self, source: Path | str, *, split: str, view: View) -> None:
        self.view = view
        self.info = _info(split)
        self._split = split
        self._folder = Path(source) / f"{split}2017"
        self._path = Path(source) / "annotations" / f"coco_wholebody_{split}_v1.0.json"
        if not self._folder.is_dir():
            raise ValueError(
                f"{self._folder}: not found; get the 2017 images of COCO from"
                " https://cocodataset.org and unpack them there"
            )
        self._images, self._hands = load_annotations(self._path)
        image_ids, first_hands = np.unique(self._hands.image_id, return_index=True)
        self._image_ids = image_ids
        self._first_hands = np.append(first_hands, len(self._hands.image_id))
        starts = range(0, len(image_ids), _IMAGES_PER_UNIT)
        self._starts = {f"{split}2017-{start:06d}": start for start in starts}

    def units(self) -> list[Unit]:
        """List stretches of images."""
        total = len(self._image_ids)
        return [
            Unit(name, min(_IMAGES_PER_UNIT, total - start)) for name, start in self._starts.items()
        ]

    def samples(self, unit: Unit) -> Iterator[HandSample | Rejection]:
        """Yield the hands of a stretch of images."""
        start = self._starts[unit.name]
        for i in range(start, start + unit.num_frames):
            image = self._images[self._image_ids[i]]
            labels = [
                self._label(row, image)
                for row in range(self._first_hands[i], self._first_hands[i + 1])
            ]
            yield from (label for label in labels if isinstance(label, Rejection))
            hands = [label for label in labels if isinstance(label, HandSample)]
            if hands:
                yield from self.view.store(RawFrame.of_file(self._folder / image.file_name, hands))

    def _label(self, row: int, image: CocoImage) -> HandSample | Rejection:
        side = SIDES[int(self._hands.is_right[row])]
        person = self._hands.person_id[row]
        keypoints, box = self._hands.keypoints[row], self._hands.box_xywh[row]
        valid = keypoints[:, 2] > 0
        where = f"{self._path}: annotation {person}, {side} hand"
        if not valid.any():
            return Rejection(NO_KEYPOINTS, where)
        if not np.isfinite(keypoints[valid]).all() or not np.isfinite(box).all():
            return Rejection(NOT_FINITE, where)
        focal, princpt = guessed_camera(image.size)
        return HandSample(
            sample_id=f"coco_wholebody/{self._split}-{image.image_id:012d}-{person}/cam0/0/{side}",
            image=b"",
            image_size=image.size,
            is_right=bool(self._hands.is_right[row]),
            bbox_xyxy=hand_bbox(box, keypoints[valid, :2]),
            focal=focal,
            princpt=princpt,
            camera_valid=False,
            keypoints_img=np.where(valid[:, None], keypoints[:, :2], 0.0),
            keypoints_img_valid=valid,
        )


def hand_bbox(box_xywh: np.ndarray, keypoints_img: np.ndarray) -> np.ndarray:
    """Return the annotated box, grown to hold all annotated keypoints, (4,) px.

    Args:
        box_xywh: (4,) px; one without an area is no annotation.
        keypoints_img: (N, 2) px, the valid ones.
    """
    has_area = (box_xywh[2:] > 0).all()
    corners = np.stack([box_xywh[:2], box_xywh[:2] + box_xywh[2:]]) if has_area else keypoints_img
    points = np.concatenate([corners, keypoints_img])
    return np.concatenate([points.min(0), points.max(0)])


def _info(split: str) -> DatasetInfo:
    return DatasetInfo(
        name="coco_wholebody",
        split=split,
        source=(
            f"COCO-WholeBody v1.0, {split}2017: hands that are flagged as valid, of persons that"
            " are no crowd; keypoints with a confidence above 0. 2D labels only. The cameras are"
            " not known: focal and princpt are guessed (focal = longer side of the image, principal"
            " point = its middle) and camera_valid is false. bbox_xyxy is the annotated hand box,"
            " grown to hold all annotated keypoints. Every hand is a sequence of one frame."
        ),
        license="annotations: research and non-commercial use; images: Flickr terms of COCO",
    )
