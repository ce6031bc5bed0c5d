"""Convert the WebDataset tars of CS-ViT2: clips of one hand, cut from several data sets.

The tars may come from any of that project's exporters (InterHand2.6M, DexYCB, HO3D, HOT3D,
COCO-WholeBody, ...); all keep one format, with full frames as images.
"""

from collections.abc import Iterator
from functools import partial
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import numpy as np

from handvit.datasets.conversion.converter import RawFrame, Rejection, Unit, View
from handvit.datasets.conversion.view import BAD_IMAGE
from handvit.datasets.converters.cs_vit2.clips import ARRAYS, Clip, open_clip
from handvit.datasets.converters.cs_vit2.hand import MANO_POSES, FrameFacts, HandLabeller
from handvit.datasets.converters.cs_vit2.plan import folder_of, is_single, make_plan
from handvit.datasets.shards.dataset_info import DatasetInfo
from handvit.datasets.shards.image_codec import encoded_size
from handvit.hand_models.hand_pair import HandPair
from handvit.structures import HandSample

SPLITS = ("train", "val", "test", "evaluation")
#: Seconds in a unit of ``timestamp``; the exporters write milliseconds.
TIMESTAMP_UNITS = {"s": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9}
BAD_CLIP = "clip is not readable"
REPEATED = "frame stands in an earlier clip"
NOT_FINITE = "labels are not finite"
_FRAMES_PER_UNIT = 1000


class CsVit2Options(NamedTuple):
    """Say what the tars do not."""

    mano_pose: str = "minus-mean"  # key of MANO_POSES
    timestamp_unit: str = "ms"  # key of TIMESTAMP_UNITS


class CsVit2Converter:
    """Convert a folder of tars, clip by clip; each frame once, from the first clip it stands in.

    Args:
        source: folder with the tars of one split, at any depth.
        split: what they are called from now on.
        hands: hand model of the labels.

    Raises:
        ValueError: names the tar and the clip that are cut, incomplete, or in a wrong joint order.
    """

    def __init__(
        self,
        source: Path | str,
        *,
        split: str,
        view: View,
        hands: HandPair,
        options: CsVit2Options = CsVit2Options(),  # noqa: B008 - a tuple
    ) -> None:
        self.view = view
        self._split = split
        self.info = _info(split, hands, options)
        self._labeller = HandLabeller(hands, MANO_POSES[options.mano_pose])
        self._seconds = TIMESTAMP_UNITS[options.timestamp_unit]
        self._source = Path(source)
        tars = sorted(self._source.rglob("*.tar"))
        if not tars:
            raise ValueError(f"{source}: holds no .tar; give the folder of the exported shards")
        self._plan = make_plan(tars)
        self._clips_of_unit = dict(self._cut())

    def units(self) -> list[Unit]:
        """List stretches of clips that lie side by side in a tar."""
        frames = self._plan.clips["frames"]
        return [
            Unit(name, int(frames[clips.start : clips.stop].sum()))
            for name, clips in self._clips_of_unit.items()
        ]

    def samples(self, unit: Unit) -> Iterator[HandSample | Rejection]:
        """Yield the frames of a stretch of clips that stand in no earlier clip."""
        for number in self._clips_of_unit[unit.name]:
            yield from self._convert_clip(self._plan.clips[number])

    def _cut(self) -> Iterator[tuple[str, range]]:
        """Yield names and ranges of clips of about equal numbers of frames, no tar with another."""
        clips = self._plan.clips
        begin = 0
        for i in range(1, len(clips) + 1):
            frames = clips["frames"][begin:i].sum()
            is_last = i == len(clips) or clips["tar"][i] != clips["tar"][begin]
            if is_last or frames >= _FRAMES_PER_UNIT:
                tar = self._plan.tars[clips["tar"][begin]]
                yield f"{tar.relative_to(self._source)}-{begin:06d}", range(begin, i)
                begin = i

    def _convert_clip(self, place: np.void) -> Iterator[HandSample | Rejection]:
        tar = self._plan.tars[place["tar"]]
        try:
            clip = open_clip(tar, int(place["start"]), int(place["stop"]))
            arrays = {name: clip.array(name) for name in ARRAYS}
            images = clip.images()
        except ValueError as error:
            yield Rejection(BAD_CLIP, str(error))
            return
        for t, image in enumerate(images):
            where = f"{clip.where}: frame {t}, {clip.paths[t]}"
            number = int(place["first_frame"]) + t
            if not self._plan.is_kept[number]:
                yield Rejection(REPEATED, where)
                continue
            hand = self._label(clip, arrays, t, self._plan.hand_number[number], image)
            if isinstance(hand, HandSample):
                yield from self.view.store(RawFrame(where, partial(bytes, image), [hand]))
            else:
                yield hand._replace(where=f"{where}: {hand.where}")

    def _label(
        self, clip: Clip, arrays: dict[str, np.ndarray], t: int, hand_number: int, image: bytes
    ) -> HandSample | Rejection:
        row = {name: values[t] for name, values in arrays.items()}
        if not np.isfinite(row["timestamp"]):
            return Rejection(NOT_FINITE, "timestamp")
        facts = self._facts(clip, arrays["timestamp"], t, hand_number)
        if row["has_intr"] <= 0.5:  # the size is needed to guess a camera
            try:
                facts = facts._replace(image_size=encoded_size(image))
            except ValueError as error:
                return Rejection(BAD_IMAGE, str(error))
        hand = self._labeller.label(row, facts)
        if not np.isfinite(hand.bbox_xyxy).all():
            return Rejection(NOT_FINITE, "hand_bbox or MANO parameters")
        return hand

    def _facts(self, clip: Clip, times: np.ndarray, t: int, hand_number: int) -> FrameFacts:
        """Return what the arrays do not say of frame ``t``."""
        path, folder = PurePosixPath(clip.paths[t]), folder_of(clip)
        sequence = f"{folder}-{path.stem}" if is_single(clip, times) else folder
        if hand_number:
            sequence = f"{sequence}-hand{hand_number}"
        side = "right" if clip.is_right else "left"
        microseconds = round(times[t] * self._seconds * 1e6)
        return FrameFacts(
            sample_id=(
                f"cs_vit2/{self._split}-{sequence}/cam0/{path.stem}-{microseconds}us/{side}"
            ),
            is_right=clip.is_right,
            source=clip.source,
            image_size=(0, 0),
            has_real_camera=clip.has_real_camera,
            frame_time=(times[t] - self._plan.first_times[folder]) * self._seconds,
            path=str(path),
        )


def _info(split: str, hands: HandPair, options: CsVit2Options) -> DatasetInfo:
    return DatasetInfo(
        name="cs_vit2",
        split=split,
        source=(
            "WebDataset clips of CS-ViT2, version 2 of its format; every frame once. mano_pose is"
            f" read as {options.mano_pose!r}, timestamp as {options.timestamp_unit!r}. The tars"
            " hold no translation: MANO is moved so that its joints lie on the labelled ones on"
            " average; mano_residual is the mean distance that remains, over the labelled keypoints"
            " without the tips. Left hands of DexYCB keep no MANO parameters (other"
            " shape directions). bbox_xyxy is the box of the mesh where there is one, else the"
            " stored one. Which mesh vertices the finger tips are differs by source and is not"
            " known. Cameras that are virtual or missing (then guessed: focal = longer side,"
            " principal point = middle) have camera_valid false. A clip of one frame at time 0 is"
            " a sequence of its own. Times are those stored; of InterHand2.6M the exporter stores"
            " 200 ms times the frame number, which counts faster than that."
        ),
        license="those of the data sets that the clips come from",
        hand_model=hands.name,
    )
