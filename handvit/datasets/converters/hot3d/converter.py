"""Convert HOT3D-Clips (Banerjee et al. 2024): hands before the fisheye cameras of two headsets."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np

from handvit.datasets.conversion.converter import Rejection, Unit
from handvit.datasets.converters.hot3d.clips import (
    SPLIT,
    STREAMS,
    WHERE,
    Clip,
    ClipArchive,
    list_clips,
)
from handvit.datasets.converters.hot3d.labels import HandShapes, label_hand
from handvit.datasets.converters.hot3d.records import (
    CameraRecord,
    HandRecord,
    read_camera,
    read_hands,
    read_time,
)
from handvit.datasets.converters.rectified_view import (
    FisheyeCamera,
    FisheyeFrame,
    FisheyeHand,
    RectifiedView,
)
from handvit.datasets.shards.dataset_info import DatasetInfo
from handvit.hand_models.hand_pair import HandPair
from handvit.structures import HandSample

NO_CLIP = "clip is missing or damaged"
BAD_RECORD = "file in a clip is missing or not what it should be"
UNSEEN = "hand is not in the image of this camera"
HIDDEN = "hand is less visible than asked for"
NO_POSE = "hand has neither a MANO nor a UmeTrack pose"
ELSEWHERE = "hand lies elsewhere than the box of the data set"

_SHAPES = "__hand_shapes.json__"
_MIN_OVERLAP = 0.3  # intersection over union of our box and theirs


class _Recording(NamedTuple):
    """Hold what all frames of one camera in one clip share."""

    archive: ClipArchive
    clip: Clip
    stream: str
    shapes: HandShapes
    start: float  # seconds

    def blank(self, frame: int, side: str, time: float) -> HandSample:
        """Return a sample without labels."""
        clip = self.clip
        sequence = f"{clip.recording}-{clip.path.stem}"
        return HandSample(
            sample_id=f"hot3d/{sequence}/{self.stream}/{frame:06d}/{side}",
            image=b"",
            image_size=(0, 0),
            is_right=side == "right",
            bbox_xyxy=np.zeros(4),
            focal=np.zeros(2),
            princpt=np.zeros(2),
            camera_valid=True,
            frame_time=time - self.start,
            extra={"subject": clip.participant, "device": clip.device},
        )


class Hot3dConverter:
    """Convert the training clips; each hand in each camera becomes a pinhole picture.

    Args:
        source: folder with ``clip_definitions.json``, ``clip_splits.json`` and the folders of tars.
        hands: the hand model that the labels belong to.
        streams: devices, and which of their cameras to convert.
        min_visibility: share of a hand that other hands and objects must leave visible.
        participants: whose clips to convert; all if empty. No validation split is published.

    Raises:
        ValueError: names what is missing or wrong in ``source`` or in the arguments.
    """

    def __init__(
        self,
        source: Path | str,
        *,
        view: RectifiedView,
        hands: HandPair,
        streams: Mapping[str, Sequence[str]] = STREAMS,
        min_visibility: float = 0.1,
        participants: Sequence[str] = (),
    ) -> None:
        if not 0 <= min_visibility <= 1:
            raise ValueError(f"min_visibility: {min_visibility} must be in [0, 1]")
        self.view = view
        self.info = _info(hands, min_visibility)
        self._hands = hands
        self._min_visibility = min_visibility
        clips = choose_clips(list_clips(Path(source), list(streams)), participants)
        self._units = {
            f"{clip.device}/{clip.path.stem}/{stream}": (clip, stream)
            for clip in clips
            for stream in streams[clip.device]
        }

    def units(self) -> list[Unit]:
        """List the cameras of all clips; clips that were not downloaded count no frames."""
        return [
            Unit(name, clip.num_frames if clip.path.is_file() else 0)
            for name, (clip, _) in self._units.items()
        ]

    def samples(self, unit: Unit) -> Iterator[HandSample | Rejection]:
        """Yield the hands in the images of one camera in one clip.

        All are labelled before the first image is read: a clip's pictures share their axes.
        """
        clip, stream = self._units[unit.name]
        try:
            archive = ClipArchive(clip.path)
        except (OSError, ValueError) as error:
            yield Rejection(NO_CLIP, str(error))
            return
        with closing(archive):
            try:
                shapes = archive.parse(_SHAPES, HandShapes.of_record)
                start = archive.parse(f"{0:06d}.info.json", read_time)
            except ValueError as error:
                yield Rejection(BAD_RECORD, str(error))
                return
            recording = _Recording(archive, clip, stream, shapes, start)
            frames = []
            for frame in range(clip.num_frames):
                for item in self._frame(recording, frame):
                    if isinstance(item, Rejection):
                        yield item
                    else:
                        frames.append(item)
            yield from self.view.store(frames)

    def _frame(self, recording: _Recording, frame: int) -> Iterator[FisheyeFrame | Rejection]:
        archive, stream = recording.archive, recording.stream
        labels, picture = f"{frame:06d}.hands.json", f"{frame:06d}.image_{stream}.jpg"
        try:
            time = archive.parse(f"{frame:06d}.info.json", read_time)
            read = partial(read_camera, stream=stream)
            camera = archive.parse(f"{frame:06d}.cameras.json", read)
            records = archive.parse(labels, partial(read_hands, stream=stream))
        except ValueError as error:
            yield Rejection(BAD_RECORD, str(error))
            return
        items = [
            self._label(recording.blank(frame, side, time), record, camera, recording.shapes)
            for side, record in records.items()
        ]
        for item in items:
            if isinstance(item, Rejection):
                yield Rejection(item.reason, f"{archive.where(labels)}: {item.where}")
        hands = [item for item in items if isinstance(item, FisheyeHand)]
        where, read = archive.where(picture), partial(archive.read, picture)
        yield FisheyeFrame(where, read, camera.camera, hands)

    def _label(
        self, blank: HandSample, record: HandRecord, camera: CameraRecord, shapes: HandShapes
    ) -> FisheyeHand | Rejection:
        if record.box_xyxy is None:
            return Rejection(UNSEEN, blank.sample_id)
        if record.visibility < self._min_visibility:
            return Rejection(HIDDEN, f"{blank.sample_id}: {record.visibility:.3f}")
        hand = label_hand(
            blank,
            record,
            shapes=shapes,
            hands=self._hands,
            camera_from_world=camera.camera_from_world,
        )
        if hand is None:
            return Rejection(NO_POSE, blank.sample_id)
        overlap = box_overlap(hand.vertices, camera.camera, record.box_xyxy)
        if overlap < _MIN_OVERLAP:
            return Rejection(ELSEWHERE, f"{blank.sample_id}: overlap {overlap:.2f}")
        return hand


def choose_clips(clips: list[Clip], participants: Sequence[str]) -> list[Clip]:
    """Keep the clips of some participants, or of all if none is named.

    Raises:
        ValueError: somebody has no clip, or none at all was downloaded.
    """
    known = sorted({clip.participant for clip in clips})
    if unknown := sorted({*participants} - {*known}):
        raise ValueError(f"participants: {unknown} have no clip in this split; {known} have")
    chosen = [clip for clip in clips if not participants or clip.participant in participants]
    if not any(clip.path.is_file() for clip in chosen):
        raise ValueError(f"{[str(clip.path) for clip in chosen[:3]]}...: no clip is there; {WHERE}")
    return chosen


def box_overlap(vertices: np.ndarray, camera: FisheyeCamera, box_xyxy: np.ndarray) -> float:
    """Return intersection over union of a box and of the mesh's in the fisheye image."""
    pixels = camera.pixels(vertices)
    if not len(pixels):
        return 0.0
    boxes = np.array([[*pixels.min(0), *pixels.max(0)], box_xyxy])  # (2, 4)
    both = np.concatenate([boxes[:, :2].max(0), boxes[:, 2:].min(0)])
    areas = [np.prod(np.maximum(box[2:] - box[:2], 0)) for box in (*boxes, both)]
    union = areas[0] + areas[1] - areas[2]
    return float(areas[2] / union) if union > 0 else 0.0


def _info(hands: HandPair, min_visibility: float) -> DatasetInfo:
    return DatasetInfo(
        name="hot3d",
        split=SPLIT,
        source=(
            "HOT3D-Clips (huggingface.co/datasets/bop-benchmark/datasets, folder hot3d). Images are"
            " pinhole pictures of each hand, cut out of the fisheye images and turned upright;"
            " extra.rotation_from_camera turns the axes of the image as stored into theirs. It is"
            " the same for all frames of a clip, camera and side; the device itself moves."
            f" Hands of which less than {min_visibility:g} is visible are left out. Keypoints are"
            " those of the MANO mesh (left shapedirs mirrored). Here mano_residual is their mean"
            " distance from UmeTrack's landmarks, which MANO was fitted to, not that of a label"
            " from the stored mesh. Where MANO could not be fitted"
            " there are 2D keypoints only, of the landmarks that UmeTrack and MANO share."
        ),
        license="HOT3D licence of projectaria.com/datasets/hot3d",
        hand_model=hands.name,
        fingertips=hands.fingertips,
    )
