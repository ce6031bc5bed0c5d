"""Convert ARCTIC: two hands and an articulated object (Fan et al. 2023).

Protocol p1 is made of eight static views, p2 of the view of a camera on the head. Labels come from
the raw motions; the preprocessed splits, 18 GB of pickles, are not needed.
"""

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from handvit.datasets.conversion.converter import RawFrame, Rejection, Unit, View
from handvit.datasets.converters.arctic.files import (
    load_ego_camera,
    load_motion,
    load_sequence_names,
    load_subjects,
)
from handvit.datasets.converters.arctic.hands import FINGERTIPS, FRAME_RATE, WorldHand
from handvit.datasets.converters.arctic.views import (
    EGO_VIEW,
    FULL_IMAGES,
    IMAGE_SCALES,
    STATIC_VIEWS,
    ViewCamera,
    ego_camera,
    static_camera,
)
from handvit.datasets.shards.dataset_info import DatasetInfo
from handvit.hand_models.hand_pair import HandPair
from handvit.structures import HandSample

#: Views of each split. The labels of the test parts are not published.
SPLITS = {
    f"{protocol}_{part}": views
    for protocol, views in (("p1", STATIC_VIEWS), ("p2", (EGO_VIEW,)))
    for part in ("train", "val")
}
#: Images at both ends of a sequence that the official splits leave out: some are black.
NUM_DROPPED = 10
FRAMES_PER_UNIT = 1000
NO_MOTION = "image lies outside the motion"


class ArcticConverter:
    """Convert a split.

    Args:
        source: folder with ``raw_seqs/``, ``meta/``, ``splits_json/`` and the images.
        split: key of ``SPLITS``.
        hands: of ``arctic_hands.load_hands``.
        images: key of ``IMAGE_SCALES``, a folder in ``source``.

    Raises:
        ValueError: names what is missing or wrong in ``source``.
    """

    def __init__(
        self,
        source: Path | str,
        *,
        split: str,
        view: View,
        hands: HandPair,
        images: str = FULL_IMAGES,
    ) -> None:
        self._views = SPLITS[split]
        if images != FULL_IMAGES and self._views != (EGO_VIEW,):
            raise ValueError(
                f"--images {images}: static views are cut there around objects whose boxes are"
                f" only in splits/*.npy; convert {split} from {FULL_IMAGES}"
            )
        self.view = view
        self.info = _info(split, hands, images)
        self._source, self._images, self._hands = Path(source), images, hands
        self._subjects = load_subjects(self._source)
        self._lengths = {
            name: self._check_sequence(name)
            for name in load_sequence_names(self._source, *split.split("_"))
        }

    def units(self) -> list[Unit]:
        """Return stretches of images of one view, named ``s01/box_grab_01/VIEW/FIRST_IMAGE``."""
        return [
            Unit(f"{name}/{view}/{first:05d}", min(FRAMES_PER_UNIT, end - first))
            for name, length in self._lengths.items()
            for view in self._views
            for end in [length - NUM_DROPPED]
            for first in range(NUM_DROPPED, end, FRAMES_PER_UNIT)
        ]

    def samples(self, unit: Unit) -> Iterator[HandSample | Rejection]:
        """Yield the hands of each image, the right one first."""
        subject, sequence, view, first = unit.name.split("/")
        name = f"{subject}/{sequence}"
        camera = self._camera(name, int(view))
        hands = [
            WorldHand(motion, self._hands, is_right=side == "right")
            for side, motion in load_motion(self._raw_file(name, "mano")).items()
        ]
        folder = self._source / self._images / name / view
        for number in range(int(first), int(first) + unit.num_frames):
            path = folder / f"{number:05d}.jpg"
            row = number - self._subjects[subject].image_offset
            if not 0 <= row < self._lengths[name]:
                yield Rejection(NO_MOTION, f"{path}: frame {row} of {self._lengths[name]}")
                continue
            image_id = f"arctic/{subject}_{sequence}/{view}/{number:05d}"
            labels = [hand.label(row, camera, image_id=image_id) for hand in hands]
            yield from (label for label in labels if isinstance(label, Rejection))
            seen = [label for label in labels if isinstance(label, HandSample)]
            if seen:
                yield from self.view.store(RawFrame(str(path), partial(camera.read, path), seen))

    def _check_sequence(self, name: str) -> int:
        """Return the number of frames of a sequence whose labels are complete."""
        if name.split("/")[0] not in self._subjects:
            raise ValueError(f"{self._source / 'meta/misc.json'}: does not know subject of {name}")
        length = len(load_motion(self._raw_file(name, "mano"))["right"].global_orient)
        if EGO_VIEW in self._views:
            path = self._raw_file(name, "egocam.dist")
            num_places = len(load_ego_camera(path).rotation)
            if num_places != length:
                raise ValueError(f"{path}: {num_places} frames, but {length} in .mano.npy")
        return length

    def _camera(self, name: str, view: int) -> ViewCamera:
        subject = self._subjects[name.split("/")[0]]
        if view != EGO_VIEW:
            return static_camera(subject, view, self._lengths[name])
        ego = load_ego_camera(self._raw_file(name, "egocam.dist"))
        return ego_camera(subject, ego, scale=IMAGE_SCALES[self._images])

    def _raw_file(self, name: str, kind: str) -> Path:
        return self._source / "raw_seqs" / f"{name}.{kind}.npy"


def _info(split: str, hands: HandPair, images: str) -> DatasetInfo:
    return DatasetInfo(
        name="arctic",
        split=split,
        source=(
            f"ARCTIC v1.0 of arctic.is.tue.mpg.de, raw_seqs, with the images of {images}/. A frame"
            " of the motion is the image's number minus ioi_offset; frame_time counts it at"
            f" {FRAME_RATE:g} Hz. The {NUM_DROPPED} first and last images of a sequence are left"
            " out. Keypoints are those of the fitted MANO meshes, valid also where something"
            " hides them; bbox_xyxy is the tight box of mesh and keypoints. Images of the ego"
            " view (camera 0) are resampled without lens distortion, in the published"
            " intrinsics. Left hands have no MANO parameters: they were fitted with MANO's stock"
            " left shapedirs, to which a corrected left hand gives another shape."
        ),
        license="ARCTIC licence, Max Planck Society, non-commercial research",
        hand_model=hands.name,
        fingertips=FINGERTIPS,
    )
