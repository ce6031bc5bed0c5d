"""Fixtures that several test folders share."""

import importlib.util
import pickle
import signal
import struct
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar

import cv2
import numpy as np
import pytest
import torch
from torch import Tensor

from handvit.datasets.shards.dataset_info import DatasetInfo
from handvit.datasets.shards.shard_writer import ShardWriter
from handvit.geometry.boxes import bbox_from_points
from handvit.geometry.camera import project, unproject
from handvit.geometry.rotation import axis_angle_to_matrix
from handvit.hand_models.mano_layer import ManoLayer
from handvit.structures import HandBatch, HandLabels, HandSample, ManoParams

REPOSITORY = Path(__file__).resolve().parents[1]

# Everything here is tiny: more threads only wait for each other, and for other test processes.
torch.set_num_threads(1)

# A run that was started in the background inherits ignored signals, which some tests send.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)


@pytest.fixture(autouse=True)
def _seeded():
    torch.manual_seed(0)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder with small real samples; they may not be redistributed, so it can be absent."""
    folder = REPOSITORY.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("no real samples beside the repository")
    return folder


@pytest.fixture(scope="session")
def load_tool() -> Callable[[str], ModuleType]:
    """Import a script under ``tools/`` by its path there, to call its ``main(argv)``."""

    def load(path: str) -> ModuleType:
        script = REPOSITORY / "tools" / path
        spec = importlib.util.spec_from_file_location(f"tool_{script.stem}", script)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    return load


@pytest.fixture(scope="session")
def write_python2_pickle() -> Callable[..., None]:
    """Return ``write(path, content, protocol=2)``: a pickle such as Python 2 wrote."""

    def write(path: Path, content: Any, protocol: int = 2) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("wb") as file:
            _Python2Pickler(file, protocol).dump(content)

    return write


@pytest.fixture(scope="session")
def make_sample() -> Callable[..., HandSample]:
    """Return ``make(seed=0, track=0, frame=0)``: a random, valid, fully labelled sample.

    Even tracks are right hands, odd ones left; times are ``frame / 30``; 2D labels are the
    projections of the 3D ones.
    """
    return _make_sample


@pytest.fixture(scope="session")
def make_shards(tmp_path_factory) -> Callable[..., Path]:
    """Return ``make(num_tracks=4, ...)``: it writes a random data set and returns its folder."""

    def make(
        *,
        name: str = "tiny",
        num_tracks: int = 4,
        num_frames: int = 6,
        max_samples: int = 10,
        hand_model: str | None = "openhand",
        seed: int = 0,
    ) -> Path:
        root = tmp_path_factory.mktemp("shards") / name
        info = DatasetInfo(
            name=name,
            split="train",
            source="random numbers",
            license="CC0-1.0",
            hand_model=hand_model,
            fingertips="smplx",
        )
        with ShardWriter(root, info=info, max_samples=max_samples) as writer:
            for track in range(num_tracks):
                for frame in range(num_frames):
                    sample = _make_sample(seed=seed, track=track, frame=frame, dataset=name)
                    sample.mano_valid = hand_model is not None
                    writer.add(sample)
        return root

    return make


@pytest.fixture(scope="session")
def shards_root(make_shards) -> Path:
    """Folder of a data set of 4 tracks of 6 frames in 3 shards; shared, so do not change it."""
    return make_shards()


@pytest.fixture(scope="session")
def make_batch() -> Callable[..., HandBatch]:
    """Return ``make(num_hands=2, num_frames=1, seed=0)``: the open hand with exact labels.

    Even hands are right, odd ones real left hands. Images have two widths, hence padding. They are
    black but for a red blob at the wrist, a green one at the middle tip, a blue one at the pinky's.
    """
    layers = {is_right: ManoLayer(is_right=is_right).double() for is_right in (True, False)}

    def make(num_hands: int = 2, num_frames: int = 1, seed: int = 0) -> HandBatch:
        generator = torch.Generator().manual_seed(seed)
        hands = [
            _make_clip(layers[hand % 2 == 0], hand, num_frames, generator)
            for hand in range(num_hands)
        ]
        return HandBatch(*(_stack(field) for field in zip(*hands, strict=True)))

    return make


class _Python2Pickler(pickle._Pickler):
    """Write pickles the way Python 2 and the NumPy and SciPy of its days did."""

    dispatch: ClassVar = dict(pickle._Pickler.dispatch)
    renamed: ClassVar = {
        "numpy._core.multiarray": "numpy.core.multiarray",
        "scipy.sparse._csc": "scipy.sparse.csc",
        "builtins": "__builtin__",
        "copyreg": "copy_reg",
    }

    def save_bytes(self, value: bytes) -> None:
        """Write an 8-bit string."""
        if self.bin:
            self.write(b"T" + struct.pack("<i", len(value)) + value)
        else:
            self.write(b"S" + repr(value).encode()[1:] + b"\n")

    def save_str(self, value: str) -> None:
        """Write text as an 8-bit string, too."""
        self.save_bytes(value.encode("latin1"))

    def save_global(self, value: Any, name: str | None = None) -> None:
        """Write the name that the object had then."""
        module = self.renamed.get(value.__module__, value.__module__)
        self.write(f"c{module}\n{name or value.__qualname__}\n".encode())
        self.memoize(value)

    dispatch[bytes] = save_bytes
    dispatch[str] = save_str
    dispatch[type] = save_global
    dispatch[type(len)] = save_global
    dispatch[type(lambda: None)] = save_global


def _make_sample(
    *, seed: int = 0, track: int = 0, frame: int = 0, dataset: str = "tiny"
) -> HandSample:
    rng = np.random.default_rng([seed, track, frame])
    width, height = 96 + 8 * (track % 2), 80
    focal, princpt = np.array([120.0, 121.0]), np.array([width / 2 - 0.5, height / 2 - 0.5])
    place = np.array([0.01 * track, 0.0, 0.5 + 0.02 * frame])
    keypoints_cam = place + rng.uniform(-0.08, 0.08, (21, 3))
    keypoints_img = focal * keypoints_cam[:, :2] / keypoints_cam[:, 2:] + princpt
    texture = cv2.resize(rng.integers(0, 256, (5, 6, 3), np.uint8), (width, height))
    side = "right" if track % 2 == 0 else "left"
    return HandSample(
        sample_id=f"{dataset}/sequence{track // 2}/cam0/{frame:05d}/{side}",
        image=cv2.imencode(".jpg", texture)[1].tobytes(),
        image_size=(width, height),
        is_right=side == "right",
        bbox_xyxy=np.concatenate([keypoints_img.min(0), keypoints_img.max(0)]),
        focal=focal,
        princpt=princpt,
        camera_valid=True,
        frame_time=frame / 30,
        keypoints_img=keypoints_img,
        keypoints_img_valid=np.ones(21, bool),
        keypoints_cam=keypoints_cam,
        keypoints_cam_valid=np.ones(21, bool),
        mano_valid=True,
        global_orient=rng.normal(0, 0.5, 3),
        hand_pose=rng.normal(0, 0.2, 45),
        betas=rng.normal(0, 0.5, 10),
        mano_root_cam=keypoints_cam[0],
        mano_residual=0.001 * (track + 1),
        extra={"track": track},
    )


def _make_clip(
    layer: ManoLayer, hand: int, num_frames: int, generator: torch.Generator
) -> HandBatch:
    """One clip, (T, ...): the hand moves freely before a camera at rest."""

    def normal(*shape: int, std: float) -> Tensor:
        return std * torch.randn(shape, generator=generator, dtype=torch.float64)

    T = num_frames
    size = torch.tensor([200.0 - 16 * (hand % 2), 160.0], dtype=torch.float64)
    focal, princpt = 250 + normal(2, std=20.0), size / 2 + normal(2, std=4.0)
    global_orient = axis_angle_to_matrix(normal(T, 3, std=1.0))
    hand_pose = axis_angle_to_matrix(normal(T, 15, 3, std=0.2))
    betas = normal(1, 10, std=0.5).expand(T, 10)
    keypoints_rel = layer(global_orient, hand_pose, betas).keypoints_rel  # (T, 21, 3)

    # Near the middle of the image, half a metre away.
    depth = 0.55 + normal(T, 1, std=0.02)
    middle = unproject((size / 2 + normal(T, 2, std=4.0))[:, None], depth, focal, princpt)
    root_cam = (middle - keypoints_rel.mean(1, keepdim=True))[:, 0]
    keypoints_cam = keypoints_rel + root_cam[:, None]
    keypoints_img = project(keypoints_cam, focal, princpt)
    valid = torch.ones(T, 21, dtype=torch.bool)
    is_right = hand % 2 == 0
    labels = HandLabels(
        sample_id=[f"open/hand{hand}/cam0/{T - 1:05d}/{'right' if is_right else 'left'}"],
        is_right=valid[:, 0] & is_right,
        bbox_xyxy=bbox_from_points(keypoints_img, valid).float(),
        focal=focal.float().expand(T, 2),
        princpt=princpt.float().expand(T, 2),
        camera_valid=valid[:, 0],
        frame_time=torch.arange(T, dtype=torch.float64) / 30,
        frame_valid=valid[:, 0],
        keypoints_img=keypoints_img.float(),
        keypoints_img_valid=valid,
        keypoints_cam=keypoints_cam.float(),
        keypoints_cam_valid=valid,
        mano=ManoParams(*(x.float() for x in (global_orient, hand_pose, betas, root_cam))),
        mano_valid=valid[:, 0],
    )
    image = _draw_blobs(keypoints_img[:, [0, 12, 20]], size)
    return HandBatch(image, size.float().expand(T, 2), labels)


def _draw_blobs(center: Tensor, size: Tensor) -> Tensor:
    """Draw one Gaussian blob a channel, (T, 3, 2) px -> (T, 3, H, 200) uint8, padded."""
    width, height = size.long().tolist()
    x, y = center.float().split(1, -1)  # (T, 3, 1)
    row = torch.exp(-((torch.arange(width) - x) ** 2) / 8)  # sigma is 2 px
    column = torch.exp(-((torch.arange(height) - y) ** 2) / 8)
    image = (255 * column[..., :, None] * row[..., None, :]).round().byte()  # (T, 3, H, W)
    return torch.nn.functional.pad(image, (0, 200 - width))


def _stack(values: tuple[Any, ...]) -> Any:
    """Stack clips to a batch: tensors, lists, and named tuples of them."""
    if isinstance(values[0], Tensor):
        return torch.stack(values)
    if isinstance(values[0], list):
        return [entry for value in values for entry in value]
    return type(values[0])(*(_stack(field) for field in zip(*values, strict=True)))
