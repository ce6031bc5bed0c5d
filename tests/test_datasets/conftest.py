"""A small world with known hands and cameras, from which raw data sets are made."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from handvit.datasets.conversion.conversion import Part, convert
from handvit.datasets.conversion.converter import Converter, Rejection
from handvit.datasets.shards.shard_reader import ShardReader
from handvit.geometry.rasterizer import rasterize, vertex_normals
from handvit.hand_models.hand_pair import HandPair
from handvit.hand_models.mano_conversion import root_to_transl
from handvit.structures import HandSample


@dataclass(frozen=True)
class TrueHand:
    """One hand in one frame, in the world: metres, float64."""

    is_right: bool
    global_orient: np.ndarray  # (3,) axis-angle
    hand_pose: np.ndarray  # (45,) absolute axis-angle
    betas: np.ndarray  # (10,)
    root: np.ndarray  # (3,) wrist
    transl: np.ndarray  # (3,) MANO's own
    keypoints: np.ndarray  # (21, 3)
    vertices: np.ndarray  # (778, 3)


@dataclass(frozen=True)
class TrueCamera:
    """A pinhole camera: ``X_cam = rotation @ X_world + translation``."""

    rotation: np.ndarray  # (3, 3)
    translation: np.ndarray  # (3,) metres
    focal: np.ndarray  # (2,) px
    princpt: np.ndarray  # (2,) px
    size: tuple[int, int]  # width, height

    @property
    def matrix(self) -> np.ndarray:
        """Intrinsics, (3, 3)."""
        return np.array(
            [[self.focal[0], 0, self.princpt[0]], [0, self.focal[1], self.princpt[1]], [0, 0, 1]]
        )

    @property
    def position(self) -> np.ndarray:
        """Camera centre in the world, (3,) metres."""
        return -self.rotation.T @ self.translation

    def to_cam(self, points: np.ndarray) -> np.ndarray:
        """(..., 3) world -> camera, metres."""
        return points @ self.rotation.T + self.translation

    def project(self, points_cam: np.ndarray) -> np.ndarray:
        """(..., 3) camera -> (..., 2) px."""
        return points_cam[..., :2] / points_cam[..., 2:] * self.focal + self.princpt


@dataclass(frozen=True)
class World:
    """Hands over time, ``hands[frame][side]``, and cameras at rest around them."""

    pair: HandPair
    hands: list[dict[str, TrueHand]]
    cameras: list[TrueCamera]

    def picture(self, frame: int, camera: TrueCamera) -> np.ndarray:
        """Render all hands of a frame, (H, W, 3) uint8 RGB."""
        width, height = camera.size
        ramp = np.linspace(40, 120, width)[None, :, None] + np.zeros((height, 1, 3))
        image = (ramp + np.linspace(0, 60, height)[:, None, None]).astype(np.uint8)
        for hand in self.hands[frame].values():
            paint(image, hand, self.pair, camera)
        return image


def paint(image: np.ndarray, hand: TrueHand, pair: HandPair, camera: TrueCamera) -> None:
    """Draw a shaded hand into an image, in place."""
    vertices_cam = camera.to_cam(hand.vertices)
    faces = torch.from_numpy(pair.asset(hand.is_right).faces)
    screen = np.concatenate([camera.project(vertices_cam), vertices_cam[:, 2:]], axis=1)
    height, width = image.shape[:2]
    seen = rasterize(torch.from_numpy(screen[None]).float(), faces, height=height, width=width)
    normals = vertex_normals(torch.from_numpy(vertices_cam), faces).numpy()
    light = 90 + 120 * np.abs(normals[faces[seen.face].numpy()].mean(1)[:, 2:])
    image.reshape(-1, 3)[seen.pixel.numpy()] = (light * [1.0, 0.8, 0.7]).astype(np.uint8)


def _true_hand(
    pair: HandPair, rng: np.random.Generator, *, is_right: bool, frame: int, place: np.ndarray
) -> TrueHand:
    """A hand that turns and closes a little from frame to frame."""
    orient = Rotation.from_rotvec(rng.normal(0, 0.8, 3)) * Rotation.from_euler("y", 2.0 * frame)
    pose = rng.normal(0, 0.25, 45) * (1 + 0.05 * frame)
    betas = rng.normal(0, 0.8, 10)
    root = place + np.array([0.004, -0.003, 0.005]) * frame
    global_orient = orient.as_rotvec()
    mesh = pair.pose(is_right, global_orient=global_orient, hand_pose=pose, betas=betas, root=root)
    return TrueHand(
        is_right,
        global_orient,
        pose,
        betas,
        root,
        root_to_transl(root, betas, pair.asset(is_right)),
        mesh.keypoints,
        mesh.vertices,
    )


def _true_camera(rng: np.random.Generator, size: tuple[int, int]) -> TrueCamera:
    """A camera about 0.7 m in front of the origin that looks at it."""
    rotation = Rotation.from_rotvec(rng.normal(0, 0.4, 3)).as_matrix()
    translation = np.array([*rng.normal(0, 0.02, 2), 0.7])
    focal = 0.9 * max(size) * rng.uniform(0.95, 1.05, 2)
    princpt = np.array(size) / 2 + rng.normal(0, 5, 2)
    return TrueCamera(rotation, translation, focal, princpt, size)


@pytest.fixture(scope="session")
def make_world() -> Callable[..., World]:
    """Return ``make(num_frames=3, num_cameras=1, sides=('right', 'left'), ...)``.

    Keyword arguments: ``size`` (width, height) of all cameras, ``fingertips`` and ``stock_left`` as
    in ``HandPair``, ``seed``, ``world_is_camera`` to put every camera at the world's origin with
    the hands 0.7 m before it. Betas of a side do not change over time.
    """

    def make(
        *,
        num_frames: int = 3,
        num_cameras: int = 1,
        sides: tuple[str, ...] = ("right", "left"),
        size: tuple[int, int] = (320, 240),
        fingertips: str = "smplx",
        stock_left: bool = False,
        world_is_camera: bool = False,
        seed: int = 0,
    ) -> World:
        pair = HandPair.load("openhand", fingertips=fingertips, stock_left=stock_left)
        rng = np.random.default_rng(seed)
        cameras = [_true_camera(rng, size) for _ in range(num_cameras)]
        depth = 0.0
        if world_is_camera:
            still = dict(rotation=np.eye(3), translation=np.zeros(3))
            cameras = [TrueCamera(**{**vars(camera), **still}) for camera in cameras]
            depth = 0.7
        places = {"right": np.array([0.06, 0.02, depth]), "left": np.array([-0.06, 0.0, depth])}
        hands = [
            {
                side: _true_hand(
                    pair,
                    np.random.default_rng([seed, side == "right"]),
                    is_right=side == "right",
                    frame=frame,
                    place=places[side],
                )
                for side in sides
            }
            for frame in range(num_frames)
        ]
        return World(pair, hands, cameras)

    return make


@pytest.fixture(scope="session")
def write_picture() -> Callable[[Path, np.ndarray], None]:
    """Return ``write(path, picture)``: an image file of the kind that its name says."""

    def write(path: Path, picture: np.ndarray) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        assert cv2.imwrite(str(path), cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))

    return write


@pytest.fixture(scope="session")
def collect() -> Callable[[Converter], tuple[dict[str, HandSample], list[Rejection]]]:
    """Return ``collect(converter)``: samples by id, all valid, and rejections of all its units."""

    def collect(converter: Converter) -> tuple[dict[str, HandSample], list[Rejection]]:
        items = [item for unit in converter.units() for item in converter.samples(unit)]
        rejections = [item for item in items if isinstance(item, Rejection)]
        samples = [item.validate() for item in items if isinstance(item, HandSample)]
        by_id = {sample.sample_id: sample for sample in samples}
        assert len(by_id) == len(samples), "sample ids repeat"
        return by_id, rejections

    return collect


@pytest.fixture(scope="session")
def converted() -> Callable[..., ShardReader]:
    """Return ``converted(converter, root, num_workers=1)``: a reader of the finished data set."""

    def run(converter: Converter, root: Path, num_workers: int = 1) -> ShardReader:
        assert convert(converter, root, Part(), num_workers=num_workers, report=lambda count: None)
        return ShardReader(root)

    return run


@pytest.fixture(scope="session")
def assert_truth() -> Callable[..., None]:
    """Return ``check(sample, hand, camera, pair)``: labels equal the truth to 0.05 mm and 0.1 px.

    The sample may be a crop: its own ``focal`` and ``princpt`` are used for pixels. Where it has
    MANO parameters, the mesh that they pose is compared too.
    """

    def check(sample: HandSample, hand: TrueHand, camera: TrueCamera, pair: HandPair) -> None:
        assert sample.is_right == hand.is_right
        valid = sample.keypoints_cam_valid
        expected_cam = camera.to_cam(hand.keypoints)
        np.testing.assert_allclose(sample.keypoints_cam[valid], expected_cam[valid], atol=5e-5)
        expected_img = expected_cam[:, :2] / expected_cam[:, 2:] * sample.focal + sample.princpt
        valid = sample.keypoints_img_valid
        np.testing.assert_allclose(sample.keypoints_img[valid], expected_img[valid], atol=0.1)
        if sample.mano_valid:
            mesh = pair.pose_sample(sample)
            np.testing.assert_allclose(mesh.vertices, camera.to_cam(hand.vertices), atol=5e-5)
            np.testing.assert_allclose(sample.mano_root_cam, camera.to_cam(hand.root), atol=5e-5)

    return check
