"""Convert FreiHAND v2: single photos of right hands, 224 x 224 px, with fitted meshes.

Zimmermann et al., "FreiHAND: A Dataset for Markerless Capture of Hand Pose and Shape from Single
RGB Images" (2019).
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from handvit.datasets.conversion.converter import RawFrame, Rejection, Unit, View
from handvit.datasets.converters.freihand.files import NUM_VERSIONS, load_labels, photo_of
from handvit.datasets.converters.freihand.mano import place_mano
from handvit.datasets.converters.projected_labels import label_mesh
from handvit.datasets.shards.dataset_info import DatasetInfo
from handvit.hand_models.hand_pair import HandPair
from handvit.structures import HandSample

SPLITS = ("training", "evaluation")
FINGERTIPS = "freihand"
IMAGE_SIZE = (224, 224)
IMAGES_PER_UNIT = 1000
MAX_MANO_GAP = 0.01  # metres; more is not the hand of the mesh
_RELEASED = (
    "keypoints_img are projected, bbox_xyxy is the tight box of mesh and keypoints. MANO's"
    " parameters, where there are some, are moved rigidly onto the published mesh, and left out"
    f" where they stay more than {1000 * MAX_MANO_GAP:g} mm from it in the mean."
)
_NOT_RELEASED = "There are no labels of hands; bbox_xyxy is the whole image."


class FreihandConverter:
    """Convert a split; every image is a sequence of its own.

    Args:
        source: folder with ``training/``, ``evaluation/`` and the JSON files.
        split: ``training`` or ``evaluation``.
        hands: MANO, with the tips called ``freihand``.
        num_versions: how many versions of each photo of ``training`` to take. The first is the
            photo before its green screen.

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
        num_versions: int = NUM_VERSIONS,
    ) -> None:
        assert hands.fingertips == FINGERTIPS
        self.view = view
        self._split, self._hands = split, hands
        self._images = Path(source) / split / "rgb"
        self._labels = load_labels(Path(source), split)
        self._num_versions = num_versions if split == "training" else 1
        self.info = self._describe()

    def units(self) -> list[Unit]:
        """Return stretches of images, which have no order in time."""
        total = len(self._labels.intrinsics) * self._num_versions
        return [
            Unit(f"{self._split}/{start:08d}", min(IMAGES_PER_UNIT, total - start))
            for start in range(0, total, IMAGES_PER_UNIT)
        ]

    def samples(self, unit: Unit) -> Iterator[HandSample | Rejection]:
        """Yield the images of a stretch in their order."""
        start = int(unit.name.split("/")[1])
        for image in range(start, start + unit.num_frames):
            path = self._images / f"{image:08d}.jpg"
            hand = self._label(image)
            if isinstance(hand, Rejection):
                yield hand._replace(where=f"{path}: {hand.where}")
            else:
                yield from self.view.store(RawFrame.of_file(path, [hand]))

    def _label(self, image: int) -> HandSample | Rejection:
        photo = photo_of(image, self._split)
        intrinsics = self._labels.intrinsics[photo]
        hand = HandSample(
            sample_id=f"freihand/{self._split}-{image:08d}/cam0/0/right",
            image=b"",
            image_size=IMAGE_SIZE,
            is_right=True,
            bbox_xyxy=np.array([-0.5, -0.5, IMAGE_SIZE[0] - 0.5, IMAGE_SIZE[1] - 0.5]),
            focal=np.diag(intrinsics)[:2].copy(),
            princpt=intrinsics[:2, 2].copy(),
            camera_valid=True,
        )
        if self._labels.keypoints is None:
            return hand
        keypoints, vertices = self._labels.keypoints[photo], self._labels.vertices[photo]
        hand = label_mesh(hand, keypoints, vertices)
        if isinstance(hand, Rejection) or self._labels.mano is None:
            return hand
        return self._with_mano(hand, self._labels.mano[photo], vertices)

    def _with_mano(self, hand: HandSample, entry: np.ndarray, vertices: np.ndarray) -> HandSample:
        """Add MANO's parameters, unless they are those of another hand."""
        mano, gap = place_mano(entry, vertices, self._hands)
        return hand if gap > MAX_MANO_GAP else self._hands.label(hand, **mano._asdict())

    def _describe(self) -> DatasetInfo:
        labels = self._labels
        return DatasetInfo(
            name="freihand",
            split=self._split,
            source=(
                f"FreiHAND v2, {len(labels.intrinsics)} photos of {self._split},"
                f" {self._num_versions} versions of each; every image is a sequence of its own."
                f" {_NOT_RELEASED if labels.keypoints is None else _RELEASED}"
            ),
            license="research only, no commercial use",
            hand_model=None if labels.mano is None else self._hands.name,
            fingertips=None if labels.keypoints is None else FINGERTIPS,
        )
