"""Convert HO3D, version 2 or 3: right hands with objects in 640 x 480 px videos.

Hampali et al., "HOnnotate" (2020) and "HO-3D_v3" (2021).
"""

from collections import defaultdict
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import numpy as np

from handvit.datasets.conversion.converter import RawFrame, Rejection, Unit, View
from handvit.datasets.converters.ho3d.files import (
    HINT,
    NUM_FRAMES,
    Ho3dFrame,
    Ho3dTree,
    read_meta,
)
from handvit.datasets.converters.ho3d.fingertips import NUM_PROBES
from handvit.datasets.converters.ho3d.labels import (
    EvaluationLabels,
    GroundTruthLabels,
    Ho3dLabels,
    TrainLabels,
)
from handvit.datasets.shards.dataset_info import DatasetInfo
from handvit.hand_models.hand_pair import HandPair
from handvit.structures import HandSample

SPLITS = ("train", "evaluation")
IMAGE_SIZE = (640, 480)
NOMINAL_FRAME_RATE = 30.0  # Hz
FRAMES_PER_UNIT = 1000


class Ho3dConverter:
    """Convert a split of one version.

    Args:
        source: folder with ``train/``, ``evaluation/``, ``train.txt`` and ``evaluation.txt``.
        split: ``train`` or ``evaluation``.
        version: ``v2`` or ``v3``.
        hands: MANO, which the labels of ``train`` need.
        ground_truth: folder with the ground truth of ``evaluation``, see ``GroundTruthLabels``;
            without it only wrists are labelled.

    Raises:
        ValueError: names what is missing or wrong in ``source`` or ``ground_truth``.
    """

    def __init__(
        self,
        source: Path | str,
        *,
        split: str,
        version: str,
        view: View,
        hands: HandPair | None = None,
        ground_truth: Path | None = None,
    ) -> None:
        self.view = view
        self._name = f"ho3d_{version}"
        self._tree = Ho3dTree(Path(source), split=split, version=version)
        self._labels = _choose_labels(self._tree, split, hands, ground_truth)
        self._units = _stretches(self._tree.frames)
        self.info = self._describe(split, version)

    def units(self) -> list[Unit]:
        """Return stretches of the sequences."""
        return [Unit(name, len(frames)) for name, frames in self._units.items()]

    def samples(self, unit: Unit) -> Iterator[HandSample | Rejection]:
        """Yield the listed frames of a stretch in temporal order."""
        for frame in self._units[unit.name]:
            hand = self._label(frame)
            if isinstance(hand, Rejection):
                yield hand
            else:
                yield from self.view.store(RawFrame.of_file(self._tree.image(frame), [hand]))

    def _label(self, frame: Ho3dFrame) -> HandSample | Rejection:
        path = self._tree.meta(frame)
        meta = read_meta(path, self._labels.shapes)
        if isinstance(meta, Rejection):
            return meta
        intrinsics = meta["camMat"]
        hand = HandSample(
            sample_id=f"{self._name}/{frame.sequence}/cam0/{frame.number}/right",
            image=b"",
            image_size=IMAGE_SIZE,
            is_right=True,
            bbox_xyxy=np.zeros(4),  # until the labels are known
            focal=np.diag(intrinsics)[:2].copy(),
            princpt=intrinsics[:2, 2].copy(),
            camera_valid=True,
            frame_time=int(frame.number) / NOMINAL_FRAME_RATE,
        )
        labelled = self._labels.label(hand, meta, frame.index)
        if isinstance(labelled, Rejection):
            return labelled._replace(where=f"{path}: {labelled.where}")
        return labelled

    def _describe(self, split: str, version: str) -> DatasetInfo:
        return DatasetInfo(
            name=self._name,
            split=split,
            source=(
                f"HO-3D {version}, {len(self._tree.frames)} frames of {self._tree.list_path.name}"
                f" ({NUM_FRAMES[version, split]} in the release). frame_time counts frames at a"
                f" nominal {NOMINAL_FRAME_RATE:g} Hz. keypoints_img are projected."
                f"{self._labels.note}"
            ),
            license="research and non-commercial use, see the data set's page",
            hand_model=self._labels.hand_model,
            fingertips=self._labels.fingertips,
        )


def _choose_labels(
    tree: Ho3dTree, split: str, hands: HandPair | None, ground_truth: Path | None
) -> Ho3dLabels:
    if split == "train":
        if hands is None or ground_truth is not None:
            raise ValueError("split 'train' needs hands and has no ground_truth of its own")
        return TrainLabels(hands, _probes(tree))
    if ground_truth is None:
        return EvaluationLabels()
    return GroundTruthLabels(ground_truth, num_frames=len(tree.frames))


def _probes(tree: Ho3dTree) -> list[dict[str, np.ndarray]]:
    """Return the labels of some frames, from all over the list."""
    stride = max(1, len(tree.frames) // NUM_PROBES)
    spread = sorted(tree.frames, key=lambda frame: frame.index % stride)
    metas = (read_meta(tree.meta(frame), TrainLabels.shapes) for frame in spread)
    probes = list(islice((meta for meta in metas if isinstance(meta, dict)), NUM_PROBES))
    if probes:
        return probes
    problem = read_meta(tree.meta(tree.frames[0]), TrainLabels.shapes)
    raise ValueError(f"{problem.where}: {problem.reason}, nor has any other frame some; {HINT}")


def _stretches(frames: list[Ho3dFrame]) -> dict[str, list[Ho3dFrame]]:
    """Cut sequences into stretches, in temporal order, named by their first frames."""
    sequences = defaultdict(list)
    for frame in frames:
        sequences[frame.sequence].append(frame)
    stretches = {}
    for name in sorted(sequences):
        ordered = sorted(sequences[name], key=lambda frame: int(frame.number))
        for start in range(0, len(ordered), FRAMES_PER_UNIT):
            stretch = ordered[start : start + FRAMES_PER_UNIT]
            stretches[f"{name}/{stretch[0].number}"] = stretch
    return stretches
