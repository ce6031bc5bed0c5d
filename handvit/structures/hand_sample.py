"""Hold one hand in one frame, the way a converter produces it and a shard stores it."""

from dataclasses import dataclass, field, fields
from functools import partial
from typing import Any

import numpy as np

from handvit.structures.skeleton import NUM_KEYPOINTS

_SHAPES = {
    "bbox_xyxy": (4,),
    "focal": (2,),
    "princpt": (2,),
    "keypoints_img": (NUM_KEYPOINTS, 2),
    "keypoints_img_valid": (NUM_KEYPOINTS,),
    "keypoints_cam": (NUM_KEYPOINTS, 3),
    "keypoints_cam_valid": (NUM_KEYPOINTS,),
    "global_orient": (3,),
    "hand_pose": (45,),
    "betas": (10,),
    "mano_root_cam": (3,),
}
_SIDES = {True: "right", False: "left"}


_ZEROS = {
    name: partial(np.zeros, shape, bool if name.endswith("_valid") else np.float64)
    for name, shape in _SHAPES.items()
}


@dataclass(kw_only=True)
class HandSample:
    """One hand in one image, in the camera of the image as stored.

    What is not annotated stays at its default (zeros, with the ``*_valid`` flag false). Pixel
    centres are at integers; camera axes are x right, y down, z forward; lengths are metres.
    ``hand_pose`` is full axis-angle (the mean pose already added); ``mano_root_cam`` is the wrist
    of the MANO mesh, which in some data sets lies millimetres beside the annotated wrist;
    ``mano_residual`` says how far MANO's keypoints lie from the annotated ones.
    """

    sample_id: str  # <dataset>/<sequence>/<camera>/<frame>/<left|right>
    image: bytes  # encoded JPEG, PNG or WebP
    image_size: tuple[int, int]  # width, height in px
    is_right: bool
    bbox_xyxy: np.ndarray  # (4,) px, tight hand box
    focal: np.ndarray  # (2,) px
    princpt: np.ndarray  # (2,) px
    camera_valid: bool  # the intrinsics are real, not guessed
    frame_time: float = 0.0  # seconds since the start of the sequence
    keypoints_img: np.ndarray = field(default_factory=_ZEROS["keypoints_img"])  # (21, 2) px
    keypoints_img_valid: np.ndarray = field(default_factory=_ZEROS["keypoints_img_valid"])  # (21,)
    keypoints_cam: np.ndarray = field(default_factory=_ZEROS["keypoints_cam"])  # (21, 3) metres
    keypoints_cam_valid: np.ndarray = field(default_factory=_ZEROS["keypoints_cam_valid"])  # (21,)
    mano_valid: bool = False
    global_orient: np.ndarray = field(default_factory=_ZEROS["global_orient"])  # (3,) axis-angle
    hand_pose: np.ndarray = field(default_factory=_ZEROS["hand_pose"])  # (45,) flat hand = 0
    betas: np.ndarray = field(default_factory=_ZEROS["betas"])  # (10,)
    mano_root_cam: np.ndarray = field(default_factory=_ZEROS["mano_root_cam"])  # (3,) metres
    mano_residual: float | None = None  # metres, mean over the keypoints that both have
    extra: dict[str, Any] = field(default_factory=dict)  # provenance for people: any JSON

    @property
    def track(self) -> str:
        """Name the image sequence of one hand: the sample id without its frame."""
        return track_of(self.sample_id)

    def validate(self) -> "HandSample":
        """Return the sample if it keeps the contract.

        Raises:
            ValueError: names the field and what is wrong with it.
        """
        _check_sample_id(self.sample_id, self.is_right)
        for name, shape in _SHAPES.items():
            _check_array(name, getattr(self, name), shape)
        if not np.isfinite(self.frame_time):
            raise ValueError(f"frame_time: {self.frame_time} is not finite")
        if self.mano_residual is not None and not 0 <= self.mano_residual < np.inf:
            raise ValueError(f"mano_residual: {self.mano_residual} is no distance in metres")
        if not (self.bbox_xyxy[2:] > self.bbox_xyxy[:2]).all():
            raise ValueError(
                f"bbox_xyxy: {self.bbox_xyxy.tolist()} is empty; want x0 < x1, y0 < y1"
            )
        if not (self.focal > 0).all():
            raise ValueError(f"focal: {self.focal.tolist()} must be positive, in pixels")
        behind = self.keypoints_cam_valid & (self.keypoints_cam[:, 2] <= 0)
        if behind.any():
            raise ValueError(
                f"keypoints_cam: keypoint {behind.argmax()} lies behind the camera;"
                " want metres with z forward"
            )
        return self

    def to_record(self) -> dict[str, Any]:
        """Return everything but the image as plain JSON values."""
        values = {f.name: getattr(self, f.name) for f in fields(self) if f.name != "image"}
        return {
            name: value.tolist() if isinstance(value, np.ndarray) else value
            for name, value in values.items()
        }

    @classmethod
    def from_record(cls, record: dict[str, Any], image: bytes) -> "HandSample":
        """Build and validate a sample from what ``to_record`` returned.

        Raises:
            ValueError: a field is missing, unknown, of a wrong shape, or not finite.
        """
        known = {f.name for f in fields(cls)} - {"image"}
        if record.keys() != known:
            raise ValueError(
                f"record has missing fields {sorted(known - record.keys())}"
                f" and unknown fields {sorted(record.keys() - known)}"
            )
        arrays = {name: _to_array(name, record[name]) for name in _SHAPES}
        size = tuple(record["image_size"])
        return cls(**{**record, **arrays, "image_size": size, "image": image}).validate()


def _to_array(name: str, value: Any) -> np.ndarray:
    try:
        return np.array(value, dtype=bool if name.endswith("_valid") else np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name}: not an array of numbers ({error})") from error


def _check_array(name: str, value: np.ndarray, shape: tuple[int, ...]) -> None:
    if np.shape(value) != shape:
        raise ValueError(f"{name}: shape {np.shape(value)}, want {shape}")
    if not np.isfinite(value).all():
        raise ValueError(f"{name}: holds NaN or infinity; store zeros and mark it invalid instead")


def track_of(sample_id: str) -> str:
    """Name the image sequence of one hand: the sample id without its frame.

    Raises:
        ValueError: the id is not ``<dataset>/<sequence>/<camera>/<frame>/<left|right>``.
    """
    dataset, sequence, camera, _, side = _split_sample_id(sample_id)
    return f"{dataset}/{sequence}/{camera}/{side}"


def _split_sample_id(sample_id: str) -> list[str]:
    parts = sample_id.split("/")
    if len(parts) != 5 or not all(parts):
        raise ValueError(
            f"sample_id: {sample_id!r} is not <dataset>/<sequence>/<camera>/<frame>/<left|right>"
        )
    return parts


def _check_sample_id(sample_id: str, is_right: bool) -> None:
    if _split_sample_id(sample_id)[-1] != _SIDES[bool(is_right)]:
        raise ValueError(f"sample_id: {sample_id!r} ends in another side than is_right={is_right}")
