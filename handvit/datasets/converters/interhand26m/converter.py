"""Convert InterHand2.6M (Moon et al. 2020), with or without the MANO fits of NeuralAnnot.

Two hands seen by the 80 to 140 calibrated cameras of a studio; CC-BY-NC 4.0.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from handvit.datasets.conversion.converter import RawFrame, Rejection, Unit, View
from handvit.datasets.conversion.view import checked
from handvit.datasets.converters.interhand26m.annotations import HAND_TYPES, Annotations
from handvit.datasets.converters.interhand26m.mano import add_mano
from handvit.datasets.converters.interhand26m.subset import Subset
from handvit.datasets.converters.interhand26m.times import RELEASES
from handvit.datasets.converters.interhand_images import cut_stretches
from handvit.datasets.converters.interhand_joints import SeenJoints, WorldCamera, tight_box
from handvit.datasets.shards.dataset_info import DatasetInfo
from handvit.hand_models.hand_pair import HandPair
from handvit.structures import HandSample

SPLITS = ("train", "val", "test")
#: (split, capture, camera) whose joints do not project onto the hands (issue 100 of the data
#: set's repository).
BAD_CAMERAS = frozenset({("test", 0, "400412")})
#: The box of ``data.json`` is the tight box of all its joints, grown about its centre.
BOX_GROWTH = 1.2
BOX_TOLERANCE = 1.0  # px

BAD_CAMERA = "camera is known to be wrong"
NO_CAMERA = "camera is not calibrated"
NO_JOINTS = "frame has no 3D joints"
OTHER_BOX = "joints do not fill the box of data.json"
NOT_IN_IMAGE = "hand has no annotated joint in the image"


class InterHandConverter:
    """Convert a split.

    Args:
        source: folder with ``images/`` and ``annotations/``.
        split: one of ``SPLITS``.
        fps: of the release, 5 or 30; sets ``frame_time``.
        subset: which images to take.
        hands: poses the fits of ``MANO_NeuralAnnot.json``, which is required then; ``None`` leaves
            MANO out. Left hands were fitted with shape directions that mirror the right ones.

    Raises:
        ValueError: names the file of ``source`` that is missing or wrong.
    """

    def __init__(
        self,
        source: Path | str,
        *,
        split: str,
        view: View,
        fps: int = RELEASES[0],
        subset: Subset | None = None,
        hands: HandPair | None = None,
    ) -> None:
        self.view = view
        self._subset = subset or Subset()
        self.info = _info(split, fps, self._subset, hands)
        self._split, self._hands = split, hands
        self._folder = Path(source) / "images" / split
        self._annotations = Annotations.read(
            Path(source), split=split, fps=fps, with_mano=hands is not None
        )
        images = self._annotations.images
        self._images = images[self._subset.mask(images)]
        self._stretches = cut_stretches(self._images)

    def units(self) -> list[Unit]:
        """List stretches of one camera in one sequence of one capture."""
        return list(self._stretches)

    def samples(self, unit: Unit) -> Iterator[HandSample | Rejection]:
        """Yield the hands of a stretch, frame by frame, the right one first."""
        for row in self._images[self._stretches[unit]]:
            camera = self._camera(row)
            joints = camera if isinstance(camera, Rejection) else self._joints(row, camera)
            if isinstance(joints, Rejection):
                yield joints
                continue
            hands = []
            for is_right in HAND_TYPES[row["hand_type"].decode()]:
                hand = self._hand(row, joints, camera, is_right)
                if isinstance(hand, Rejection):
                    yield hand
                else:
                    hands.append(hand)
            if hands:
                path = self._folder / row["file_name"].decode()
                yield from self.view.store(RawFrame.of_file(path, hands))

    def _camera(self, row: np.void) -> WorldCamera | Rejection:
        if (self._split, int(row["capture"]), row["camera"].decode()) in BAD_CAMERAS:
            return Rejection(BAD_CAMERA, self._where(row))
        return self._annotations.camera(row) or Rejection(NO_CAMERA, self._where(row))

    def _joints(self, row: np.void, camera: WorldCamera) -> SeenJoints | Rejection:
        """Look at the joints of a frame and compare their box with that of ``data.json``."""
        world = self._annotations.world_joints(row)
        if world is None:
            return Rejection(NO_JOINTS, self._where(row))
        joints = SeenJoints.of(world, camera, row["joint_valid"])
        # The published box is known to be that of the joints only where none is cut off.
        if joints.img_valid.any() and (joints.img_valid == world.joint_valid).all():
            box_xywh = published_box(joints.points_img[joints.img_valid])
            found, wanted = (clip_box(box, row["size"]) for box in (box_xywh, row["bbox_xywh"]))
            if np.abs(found - wanted).max() > BOX_TOLERANCE:
                boxes = f"{found.round(1).tolist()}, file says {wanted.round(1).tolist()}"
                return Rejection(OTHER_BOX, f"{self._where(row)}: {boxes}")
        return joints

    def _hand(
        self, row: np.void, joints: SeenJoints, camera: WorldCamera, is_right: bool
    ) -> HandSample | Rejection:
        side = "right" if is_right else "left"
        where = f"{self._where(row)}: {side}"
        labels = joints.labels(is_right)
        if not labels["keypoints_img_valid"].any():
            return Rejection(NOT_IN_IMAGE, where)
        sequence = f"{self._split}-{row['sequence'].decode()}"
        place = f"cam{row['camera'].decode()}/{row['frame']:06d}"
        hand = HandSample(
            sample_id=f"interhand26m/{sequence}/{place}/{side}",
            image=b"",
            image_size=tuple(row["size"].tolist()),
            is_right=is_right,
            bbox_xyxy=tight_box(labels["keypoints_img"][labels["keypoints_img_valid"]]),
            focal=camera.focal,
            princpt=camera.princpt,
            camera_valid=True,
            frame_time=float(row["time"]),
            extra={"subject": row["subject"].decode(), "hand_type": row["hand_type"].decode()},
            **labels,
        )
        parameters = self._annotations.mano_parameters(row, is_right)
        if parameters is not None:
            # The joints do not depend on the fit, so a hand with a bad one keeps them.
            hand = add_mano(hand, parameters, camera, self._hands) or hand
        return checked(hand)

    def _where(self, row: np.void) -> str:
        return f"{self._annotations.data_path}: annotation {row['annotation']}"


def published_box(points_img: np.ndarray) -> np.ndarray:
    """Return the box of ``data.json`` as x, y, width, height, (N, 2) px -> (4,) px."""
    box = tight_box(points_img)
    size = (box[2:] - box[:2]) * BOX_GROWTH
    return np.concatenate([(box[:2] + box[2:] - size) / 2, size])


def clip_box(box_xywh: np.ndarray, size: np.ndarray) -> np.ndarray:
    """Return the corners of a box inside an image of this (width, height), (4,) px both.

    Whether the publisher clipped at all, and at which side of the outermost pixels, is not
    documented; within their centres it makes no difference.
    """
    corners = np.stack([box_xywh[:2], box_xywh[:2] + box_xywh[2:]])  # (2, 2)
    return np.clip(corners, 0, size - 1).reshape(4)


def _info(split: str, fps: int, subset: Subset, hands: HandPair | None) -> DatasetInfo:
    mano = (
        "without MANO labels"
        if hands is None
        else (
            "MANO from MANO_NeuralAnnot.json where it is finite and in front of the camera, left"
            " hands with mirrored shape directions, mano_residual with the tips of"
            f" {hands.fingertips}"
        )
    )
    return DatasetInfo(
        name="interhand26m",
        split=split,
        source=(
            f"InterHand2.6M, {fps} fps release, {subset.description}; {mano}. Keypoints are"
            " the annotated joints, not MANO's. frame_time takes the cameras' rate, 30 or 90 Hz,"
            " from the commonest gap between the frames of a capture."
        ),
        license="CC-BY-NC 4.0",
        hand_model=None if hands is None else hands.name,
    )
