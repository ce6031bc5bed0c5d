"""Convert your own data: copy this file, and change what is marked with a number.

It runs as it is, on a folder that holds an image and a JSON file for each frame::

    SRC/train/SEQUENCE/000000.jpg
    SRC/train/SEQUENCE/000000.json
        {"seconds": 0.0, "focal": [600.0, 600.0], "princpt": [319.5, 239.5],
         "hands": [{"side": "right",
                    "keypoints_img": [[301.5, 200.0], null, ...],
                    "keypoints_cam": [[0.012, -0.034, 0.56], null, ...]}]}

Pixels are those of the image, with pixel centres at whole numbers; metres are in the camera's axes,
x right, y down, z forward. There are 21 keypoints: the wrist, then thumb, index, middle, ring and
pinky, each from its base to its tip; null stands for what is not annotated.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from handvit.datasets.conversion.converter import RawFrame, Rejection, Unit, View
from handvit.datasets.shards.dataset_info import DatasetInfo
from handvit.structures import HandSample

SPLITS = ("train", "val", "test")
BAD_RECORD = "annotation is not readable"


class TemplateConverter:
    """Convert one split; a unit is a sequence, a folder of frames in temporal order.

    Raises:
        ValueError: there are no annotations in ``source``.
    """

    def __init__(self, source: Path | str, *, split: str, view: View) -> None:
        self.view = view
        # (1) Say what you have. Write into `source` all that you had to assume.
        self.info = DatasetInfo(name="mine", split=split, source="my camera", license="mine")
        # (2) Find the frames, in an order that depends on the files alone. Units are shared among
        # processes, so cut sequences of much more than 1000 frames.
        self._frames: dict[str, list[Path]] = {}
        for path in sorted((Path(source) / split).glob("*/*.json")):
            self._frames.setdefault(path.parent.name, []).append(path)
        if not self._frames:
            raise ValueError(f"{Path(source) / split}: holds no SEQUENCE/FRAME.json")

    def units(self) -> list[Unit]:
        """List the sequences."""
        return [Unit(name, len(paths)) for name, paths in self._frames.items()]

    def samples(self, unit: Unit) -> Iterator[HandSample | Rejection]:
        """Read the frames of a sequence; what cannot be used is counted, with the file's name."""
        sequence = f"{self.info.split}-{unit.name}"  # no sequence of another split has this name
        for path in self._frames[unit.name]:
            # (3) Read the labels of a frame, and say where its image is.
            try:
                frame = json.loads(path.read_bytes())
                hands = [to_sample(frame, hand, sequence, path.stem) for hand in frame["hands"]]
            except (OSError, KeyError, TypeError, ValueError) as error:
                yield Rejection(BAD_RECORD, f"{path}: {error!r}")
                continue
            # The view reads the image, cuts the hands out, and checks every field.
            yield from self.view.store(RawFrame.of_file(path.with_suffix(".jpg"), hands))


def to_sample(
    frame: dict[str, Any], hand: dict[str, Any], sequence: str, number: str
) -> HandSample:
    """Turn the labels of one hand into ours; what you do not know, leave out.

    With MANO parameters give ``global_orient``, ``hand_pose`` with the mean pose added, ``betas``,
    ``mano_root_cam`` (``mano_conversion.transl_to_root``) and ``mano_valid=True``, too.
    """
    # (4) Units, axes, the order of the keypoints and marks of invalid ones change here, only here.
    keypoints_img, img_valid = to_points(hand["keypoints_img"], 2)
    keypoints_cam, cam_valid = to_points(hand["keypoints_cam"], 3)
    if not cam_valid[0]:  # without the wrist the others are of no use
        keypoints_cam, cam_valid = np.zeros((21, 3)), np.zeros(21, bool)
    visible = keypoints_img[img_valid]
    return HandSample(
        sample_id=f"mine/{sequence}/cam0/{number}/{hand['side']}",
        image=b"",  # the view fills it in
        image_size=(0, 0),  # any; give (width, height) to have it checked
        is_right=hand["side"] == "right",
        bbox_xyxy=np.concatenate([visible.min(0), visible.max(0)]),  # tight; the mesh's is better
        focal=np.array(frame["focal"], np.float64),
        princpt=np.array(frame["princpt"], np.float64),
        camera_valid=True,  # False if the intrinsics are a guess
        frame_time=float(frame["seconds"]),  # clips are cut by it
        keypoints_img=keypoints_img,
        keypoints_img_valid=img_valid,
        keypoints_cam=keypoints_cam,
        keypoints_cam_valid=cam_valid,
    )


def to_points(values: list[list[float] | None], num_axes: int) -> tuple[np.ndarray, np.ndarray]:
    """Return points (21, num_axes), zero where the list says null, and which are given (21,)."""
    valid = np.array([value is not None for value in values])
    points = np.array([value or [0.0] * num_axes for value in values], np.float64)
    if points.shape != (21, num_axes) or not np.isfinite(points).all():
        raise ValueError(f"{points.shape} numbers, want (21, {num_axes}) finite ones")
    return points, valid
