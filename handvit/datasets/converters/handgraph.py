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

from handvit.datasets.dataset_info import DatasetInfo
from handvit.datasets.image_codec import encoded_size
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


def handgraph_info(split: str) -> DatasetInfo:
    """Describe a split of the converted data set."""
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


def handgraph_samples(source: Path | str, split: str) -> Iterator[HandSample]:
    """Yield the frames of a split in their order.

    Args:
        source: folder with ``images/``, ``params.mat`` and ``pose_gt.mat``.
        split: ``train`` or ``test``.

    Raises:
        ValueError: names what is missing or wrong in ``source``.
    """
    source = Path(source)
    params = _load(source / "params.mat", "cam_param", "bbox")
    keypoints_cam = _load(source / "pose_gt.mat", "pose_gt")["pose_gt"] * METRES_PER_UNIT
    for frame in SPLITS[split]:
        image, size = _read_image(source / "images" / f"{frame:05d}.jpg")
        focal, princpt = crop_camera(params["cam_param"][frame], params["bbox"][frame], size)
        yield _to_sample(frame, image, size, (keypoints_cam[frame], focal, princpt))


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


def _to_sample(
    frame: int,
    image: bytes,
    size: tuple[int, int],
    geometry: tuple[np.ndarray, np.ndarray, np.ndarray],
) -> HandSample:
    keypoints_cam, focal, princpt = geometry
    keypoints_img = project(*map(torch.from_numpy, geometry))
    valid = np.ones(NUM_KEYPOINTS, bool)
    return HandSample(
        sample_id=f"handgraph/realworld/cam0/{frame:05d}/left",
        image=image,
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


def _read_image(path: Path) -> tuple[bytes, tuple[int, int]]:
    _check_present(path)
    image = path.read_bytes()
    try:
        return image, encoded_size(image)
    except ValueError as error:
        raise ValueError(f"{path}: {error}; {_WHERE}") from error


def _check_present(path: Path) -> None:
    if not path.is_file():
        raise ValueError(f"{path}: not found; {_WHERE}")
