"""Convert the real-world set of "3D Hand Shape and Pose Estimation from a Single RGB Image".

437 crops of one left hand with 3D keypoints but no mesh (Ge et al. 2019, repository
3d-hand-shape/hand-graph-cnn, folder ``data/real_world_testset``). Research and education only.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from scipy.io import loadmat
from scipy.io.matlab import MatReadError

from handvit.datasets.conversion.converter import RawFrame, Rejection, Unit, View
from handvit.datasets.conversion.view import BAD_IMAGE, NO_IMAGE
from handvit.datasets.shards.dataset_info import DatasetInfo
from handvit.datasets.shards.image_codec import encoded_size
from handvit.geometry.boxes import bbox_from_points
from handvit.geometry.camera import project
from handvit.structures import HandSample
from handvit.structures.skeleton import NUM_KEYPOINTS

NUM_FRAMES = 437
#: The frames are a subsampled video, so they are split into two stretches, never at random.
SPLITS = {"train": range(350), "test": range(350, NUM_FRAMES)}
NOMINAL_FRAME_RATE = 30.0  # Hz
METRES_PER_UNIT = 0.01
_WHERE = (
    "get images/, params.mat and pose_gt.mat from data/real_world_testset of"
    " https://github.com/3d-hand-shape/hand-graph-cnn"
)
_SHAPES = {
    "pose_gt": (NUM_FRAMES, NUM_KEYPOINTS, 3),  # centimetres, camera axes
    "cam_param": (NUM_FRAMES, 4),  # fx, fy, cx, cy of the full frame, px
    "bbox": (NUM_FRAMES, 4),  # x, y, w, h of the crop in the full frame, px
}


class HandGraphConverter:
    """Convert a split; its images are crops already, so ``FullFrameView`` keeps them as they are.

    Args:
        source: folder with ``images/``, ``params.mat`` and ``pose_gt.mat``.
        split: ``train`` or ``test``.

    Raises:
        ValueError: names what is missing or wrong in ``source``.
    """

    def __init__(self, source: Path | str, *, split: str, view: View) -> None:
        self.view = view
        self.info = _info(split)
        self._frames = SPLITS[split]
        self._images = Path(source) / "images"
        params = _load(Path(source) / "params.mat", "cam_param", "bbox")
        self._cam_param, self._bbox = params["cam_param"], params["bbox"]
        pose_gt = _load(Path(source) / "pose_gt.mat", "pose_gt")["pose_gt"]
        self._keypoints_cam = pose_gt * METRES_PER_UNIT

    def units(self) -> list[Unit]:
        """Return the only sequence there is."""
        return [Unit("realworld/cam0", len(self._frames))]

    def samples(self, unit: Unit) -> Iterator[HandSample | Rejection]:
        """Yield the frames of the split in their order."""
        for frame in self._frames:
            path = self._images / f"{frame:05d}.jpg"
            try:
                size = encoded_size(path.read_bytes())
            except OSError as error:
                yield Rejection(NO_IMAGE, f"{path}: {error.strerror}; {_WHERE}")
            except ValueError as error:
                yield Rejection(BAD_IMAGE, f"{path}: {error}; {_WHERE}")
            else:
                yield from self.view.store(RawFrame.of_file(path, [self._label(frame, size)]))

    def _label(self, frame: int, size: tuple[int, int]) -> HandSample:
        focal, princpt = crop_camera(self._cam_param[frame], self._bbox[frame], size)
        keypoints_cam = self._keypoints_cam[frame]
        keypoints_img = project(*map(torch.from_numpy, (keypoints_cam, focal, princpt)))
        valid = np.ones(NUM_KEYPOINTS, bool)
        return HandSample(
            sample_id=f"handgraph/realworld/cam0/{frame:05d}/left",
            image=b"",
            image_size=size,
            is_right=False,
            bbox_xyxy=bbox_from_points(keypoints_img, torch.from_numpy(valid)).numpy(),
            focal=focal,
            princpt=princpt,
            camera_valid=True,
            frame_time=frame / NOMINAL_FRAME_RATE,
            keypoints_img=keypoints_img.numpy(),
            keypoints_img_valid=valid,
            keypoints_cam=keypoints_cam,
            keypoints_cam_valid=valid,
        )


def crop_camera(
    cam_param: np.ndarray, bbox_xywh: np.ndarray, size: tuple[int, int]
) -> tuple[np.ndarray, np.ndarray]:
    """Return focal and principal point, (2,) px each, of a crop resized to ``size``.

    Args:
        cam_param: (4,) fx, fy, cx, cy of the full frame, px.
        bbox_xywh: (4,) the crop in the full frame, px.
        size: width and height of the stored image, px.
    """
    scale = np.array(size) / bbox_xywh[2:]
    return cam_param[:2] * scale, scale * (cam_param[2:] - bbox_xywh[:2] + 0.5) - 0.5


def _info(split: str) -> DatasetInfo:
    return DatasetInfo(
        name="handgraph",
        split=split,
        source=(
            "github.com/3d-hand-shape/hand-graph-cnn data/real_world_testset, frames"
            f" {SPLITS[split].start}-{SPLITS[split].stop - 1}. The frames are a subsampled video of"
            f" unknown rate: frame_time counts them at a nominal {NOMINAL_FRAME_RATE:g} Hz, so"
            " speeds and accelerations are not physical. bbox_xyxy is the tight box of the"
            " projected keypoints."
        ),
        license="Snap Inc., research and education only",
    )


def _load(path: Path, *names: str) -> dict[str, np.ndarray]:
    """Read arrays of a MATLAB file as float64: some are stored as integers."""
    _check_present(path)
    try:
        content = loadmat(path, variable_names=names)
    except (MatReadError, NotImplementedError, ValueError) as error:
        raise ValueError(f"{path}: not a readable MATLAB file ({error}); {_WHERE}") from error
    for name in names:
        shape = np.shape(content[name]) if name in content else None
        if shape != _SHAPES[name]:
            raise ValueError(f"{path}: {name} has shape {shape}, want {_SHAPES[name]}; {_WHERE}")
    return {name: content[name].astype(np.float64) for name in names}


def _check_present(path: Path) -> None:
    if not path.is_file():
        raise ValueError(f"{path}: not found; {_WHERE}")
