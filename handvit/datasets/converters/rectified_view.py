"""Cut pictures of hands out of fisheye images, as a pinhole camera that faces them sees them.

No pinhole image holds what a fisheye lens sees: towards 90 degrees from the optical axis it would
grow without end. So the hand of each side gets a virtual camera at the lens' place, turned by the
smallest angle that makes it face where the hand is on average. Such a turn keeps the hand as
upright as it was. It holds for a whole clip: a camera that followed the hand would hide its motion.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import cv2
import numpy as np
import torch

from handvit.datasets.conversion.converter import RawFrame, Rejection
from handvit.datasets.conversion.view import OTHER_SIZE, OUTSIDE, CropView, checked, read_image
from handvit.geometry.fisheye624 import (
    fisheye624_max_angle,
    fisheye624_project,
    fisheye624_resolution,
)
from handvit.hand_models.mano_conversion import rotate_global_orient
from handvit.structures import HandSample

TOO_OBLIQUE = "hand reaches too far from the axis of its pinhole pictures"
_MIN_COSINE = 0.4  # of the angle between axis and any part of a hand; 66 degrees, 6-fold stretching
_NOWHERE = -10.0  # px, what lies there is black


class FisheyeCamera(NamedTuple):
    """Hold a FISHEYE624 camera of an image as stored."""

    params: np.ndarray  # (15,) or (16,), see fisheye624.py
    size: tuple[int, int]  # width, height in px
    upright: np.ndarray  # (3, 3) turn around its axis that puts the picture upright

    def pixels(self, points_cam: np.ndarray) -> np.ndarray:
        """Project what the lens can see, (N, 3) metres -> (M, 2) px with M <= N."""
        points, params = torch.from_numpy(points_cam), torch.from_numpy(self.params)
        pixels = fisheye624_project(points, params).numpy()
        return pixels[self.sees(points_cam)]

    def sees(self, points_cam: np.ndarray) -> np.ndarray:
        """Say which points lie where the lens model holds, (..., 3) -> (...) bool."""
        limit = float(fisheye624_max_angle(torch.from_numpy(self.params)))
        distance = np.linalg.norm(points_cam, axis=-1)
        return points_cam[..., 2] >= np.cos(limit) * distance


class FisheyeHand(NamedTuple):
    """Hold a hand before a fisheye camera: metres, in the axes of the image as stored."""

    labels: HandSample  # all but pixels: the view fills box, camera and 2D keypoints
    keypoints: np.ndarray  # (21, 3) whose pixels are labels where ``keypoints_img_valid``
    vertices: np.ndarray  # (V, 3) surface, for the box


class FisheyeFrame(NamedTuple):
    """Hold a fisheye image that is not read yet, and the hands in it."""

    where: str  # names the image in messages
    read: Callable[[], bytes]  # returns the encoded image; OSError where there is none
    camera: FisheyeCamera
    hands: list[FisheyeHand]


class VirtualCamera(NamedTuple):
    """Hold the square pinhole camera of one picture."""

    rotation: np.ndarray  # (3, 3) from the fisheye camera's axes
    focal: float  # px
    princpt: np.ndarray  # (2,) px
    size: int  # px

    @property
    def middle(self) -> np.ndarray:
        """Direction of the picture's middle in the fisheye camera's axes, (3,)."""
        plane = ((self.size - 1) / 2 - self.princpt) / self.focal
        return np.append(plane, 1) @ self.rotation

    def project(self, points_cam: np.ndarray) -> np.ndarray:
        """Project points given in the fisheye camera's axes, (N, 3) metres -> (N, 2) px."""
        return _tangents(points_cam @ self.rotation.T) * self.focal + self.princpt

    def rays(self) -> np.ndarray:
        """Return the direction of every pixel in the fisheye camera's axes, (size, size, 3)."""
        x, y = ((np.arange(self.size) - center) / self.focal for center in self.princpt)
        rays = np.stack([*np.meshgrid(x, y), np.ones((self.size, self.size))], axis=-1)
        return rays @ self.rotation


@dataclass(frozen=True)
class RectifiedView:
    """Store a pinhole picture of each hand in the fisheye images of a clip.

    The picture has the resolution of the image where the hand is, but no larger a side than
    ``crop.image_size``. Predictions move back with the transpose of
    ``extra["rotation_from_camera"]``, which all pictures of a side share.

    Args:
        crop: size, context and quality of the pictures.
    """

    crop: CropView

    def __post_init__(self) -> None:
        """Refuse to store whole images."""
        if not isinstance(self.crop, CropView):
            raise ValueError(
                "--full-frame: a fisheye image as a whole has no pinhole camera, so hands are cut"
                " out of it; leave the option out"
            )

    def store(self, frames: Sequence[FisheyeFrame]) -> Iterator[HandSample | Rejection]:
        """Read the images of a clip one after the other and yield a picture of each hand."""
        axes = mean_rays(hand for frame in frames for hand in frame.hands)
        for frame in frames:
            if frame.hands:
                yield from self._store(frame, axes)

    def _store(
        self, frame: FisheyeFrame, axes: dict[bool, np.ndarray]
    ) -> Iterator[HandSample | Rejection]:
        image = read_image(RawFrame(frame.where, frame.read, []))
        if isinstance(image, Rejection):
            yield image
            return
        if image.size != frame.camera.size:
            sizes = f"{image.size}, its camera says {frame.camera.size}"
            yield Rejection(OTHER_SIZE, f"{frame.where}: {sizes}")
            return
        for hand in frame.hands:
            axis = axes[hand.labels.is_right]
            problem = check_hand(hand, axis, frame)
            if problem is not None:
                yield problem
                continue
            virtual = look_along(axis, hand.vertices, frame.camera, self.crop)
            yield checked(self._cut(hand, virtual, frame.camera, image.pixels))

    def _cut(
        self, hand: FisheyeHand, virtual: VirtualCamera, camera: FisheyeCamera, pixels: np.ndarray
    ) -> HandSample:
        picture = resample(pixels, camera, virtual)
        parameters = [cv2.IMWRITE_JPEG_QUALITY, self.crop.quality]
        encoded = cv2.imencode(".jpg", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR), parameters)[1]
        labels = turn_labels(hand.labels, virtual.rotation)
        valid = labels.keypoints_img_valid
        keypoints_img = np.zeros_like(labels.keypoints_img)
        keypoints_img[valid] = virtual.project(hand.keypoints[valid])
        outline = np.concatenate([virtual.project(hand.vertices), keypoints_img[valid]])
        return replace(
            labels,
            image=encoded.tobytes(),
            image_size=(virtual.size, virtual.size),
            bbox_xyxy=np.concatenate([outline.min(0), outline.max(0)]),
            focal=np.full(2, virtual.focal),
            princpt=virtual.princpt,
            keypoints_img=keypoints_img,
            extra={
                **labels.extra,
                "frame_size": list(camera.size),
                "rotation_from_camera": virtual.rotation.tolist(),
            },
        )


def mean_rays(hands: Iterable[FisheyeHand]) -> dict[bool, np.ndarray]:
    """Return the mean direction of the hands of each side, ``is_right`` -> unit vector (3,)."""
    rays: dict[bool, list[np.ndarray]] = {}
    for hand in hands:
        ray = _unit(_unit(hand.vertices).mean(0))
        rays.setdefault(hand.labels.is_right, []).append(ray)
    return {is_right: _unit(np.mean(side, axis=0)) for is_right, side in rays.items()}


def check_hand(hand: FisheyeHand, axis: np.ndarray, frame: FisheyeFrame) -> Rejection | None:
    """Return why there can be no picture of a hand along an axis, (3,) unit."""
    where = f"{frame.where}: {hand.labels.sample_id}"
    pixels = frame.camera.pixels(hand.vertices)  # (M, 2)
    inside = (pixels >= -0.5) & (pixels <= np.array(frame.camera.size) - 0.5)
    if not inside.all(-1).any():
        return Rejection(OUTSIDE, where)
    cosine = (_unit(hand.vertices) @ axis).min()
    if cosine < _MIN_COSINE:
        return Rejection(TOO_OBLIQUE, f"{where}: by {np.degrees(np.arccos(cosine)):.0f} deg")
    return None


def look_along(
    axis: np.ndarray, vertices: np.ndarray, camera: FisheyeCamera, crop: CropView
) -> VirtualCamera:
    """Return the camera of a picture with a hand in its middle, seen along an axis.

    Args:
        axis: (3,) unit vector in the fisheye camera's axes.
        vertices: of the hand, (V, 3) metres in the fisheye camera's axes.
    """
    rotation = camera.upright @ smallest_turn(axis)
    outline = _tangents(vertices @ rotation.T)
    low, high = outline.min(0), outline.max(0)
    extent = float((high - low).max()) * crop.context  # side of the picture at z = 1
    middle = np.append((low + high) / 2, 1) @ rotation
    size = min(int(np.ceil(extent * finest_focal(axis, middle, camera))), crop.image_size)
    focal = size / extent
    return VirtualCamera(rotation, focal, (size - 1) / 2 - focal * (low + high) / 2, size)


def finest_focal(axis: np.ndarray, ray: np.ndarray, camera: FisheyeCamera) -> float:
    """Return the focal length at which a picture is as fine as the fisheye image along a ray, px.

    At an angle ``a`` from its axis a picture has at least ``focal / cos(a)`` pixels a radian.
    """
    ray = _unit(ray)
    resolution = fisheye624_resolution(torch.from_numpy(ray), torch.from_numpy(camera.params))
    return float(resolution) * float(axis @ ray)


def smallest_turn(ray: np.ndarray) -> np.ndarray:
    """Return the rotation by the smallest angle that moves a unit vector (3,) to the z axis.

    Rodrigues' formula with the axis ``ray x z``.
    """
    x, y, z = ray
    cross = np.array([[0, 0, -x], [0, 0, -y], [x, y, 0]])
    return np.eye(3) + cross + cross @ cross / (1 + z)


def resample(pixels: np.ndarray, camera: FisheyeCamera, virtual: VirtualCamera) -> np.ndarray:
    """Return what a virtual camera sees, (size, size, 3) uint8; black where the lens saw nothing.

    Bilinear, from an image that is shrunk by areas first where it is finer than the picture.
    """
    source = source_pixels(camera, virtual)  # (2, size, size)
    finest = finest_focal(virtual.rotation[2], virtual.middle, camera)
    shrink = min(virtual.focal / finest, 1.0)
    margin, size = 2 / shrink, np.array(camera.size)
    low = np.clip(source.min((1, 2)) - margin, 0, size - 1).astype(int)
    high = np.clip(source.max((1, 2)) + margin + 1, low + 1, size).astype(int)
    small = np.maximum(np.round((high - low) * shrink), 1).astype(int)
    part = pixels[low[1] : high[1], low[0] : high[0]]
    shrunk = cv2.resize(part, small.tolist(), interpolation=cv2.INTER_AREA)
    scale, low = (small / (high - low))[:, None, None], low[:, None, None]
    x, y = (scale * (source - low + 0.5) - 0.5).astype(np.float32)
    return cv2.remap(shrunk, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)


def source_pixels(camera: FisheyeCamera, virtual: VirtualCamera) -> np.ndarray:
    """Return x and y in the fisheye image of the pixels of a picture, (2, size, size) px."""
    rays = virtual.rays().astype(np.float32)
    params = torch.from_numpy(camera.params).float()
    pixels = fisheye624_project(torch.from_numpy(rays), params).numpy()
    planes = np.where(camera.sees(rays), np.moveaxis(pixels, -1, 0), np.float32(_NOWHERE))
    return np.ascontiguousarray(planes)


def turn_labels(hand: HandSample, rotation: np.ndarray) -> HandSample:
    """Return the 3D labels in other axes of a camera at the same place, ``X' = R X``."""
    global_orient = hand.global_orient
    if hand.mano_valid:
        global_orient = rotate_global_orient(global_orient, rotation)
    return replace(
        hand,
        keypoints_cam=hand.keypoints_cam @ rotation.T,
        global_orient=global_orient,
        mano_root_cam=hand.mano_root_cam @ rotation.T,
    )


def _tangents(points: np.ndarray) -> np.ndarray:
    """Divide by depth, (..., 3) -> (..., 2)."""
    return points[..., :2] / points[..., 2:]


def _unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)
