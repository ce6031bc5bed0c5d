"""Read what the JSON files of a HOT3D clip say of one frame, and check it.

All of it is metres and radians, in the world of the clip. Quaternions have their real part first.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from scipy.spatial.transform import Rotation

from handvit.datasets.converters.rectified_view import FisheyeCamera
from handvit.geometry.fisheye624 import NUM_PARAMS

#: The cameras of both devices are mounted sideways: their images are upright after a quarter turn
#: clockwise, as by ``np.rot90(image, k=3)``. This turns their axes alike.
SIDEWAYS = np.array([[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
SIDES = ("left", "right")
SECONDS_PER_UNIT = 1e-9
_MODEL = "FISHEYE624"


class Rigid(NamedTuple):
    """Hold a rigid motion, ``X' = rotation @ X + translation``."""

    rotation: np.ndarray  # (3, 3)
    translation: np.ndarray  # (3,) metres

    @classmethod
    def of_record(cls, record: Any) -> "Rigid":
        """Read ``quaternion_wxyz`` and ``translation_xyz``."""
        quaternion = numbers(record, "quaternion_wxyz", (4,))
        if abs(np.linalg.norm(quaternion) - 1) > 1e-3:
            raise ValueError(f"quaternion_wxyz: {quaternion.tolist()} has not the length 1")
        rotation = Rotation.from_quat(quaternion[[1, 2, 3, 0]]).as_matrix()
        return cls(rotation, numbers(record, "translation_xyz", (3,)))

    def inverse(self) -> "Rigid":
        """Return the motion back."""
        return Rigid(self.rotation.T, -self.rotation.T @ self.translation)

    def after(self, first: "Rigid") -> "Rigid":
        """Return the motion that does ``first``, then this one."""
        return Rigid(self.rotation @ first.rotation, self.apply(first.translation))

    def apply(self, points: np.ndarray) -> np.ndarray:
        """Move points, (..., 3) metres."""
        return points @ self.rotation.T + self.translation


class CameraRecord(NamedTuple):
    """Say how one image was taken."""

    camera: FisheyeCamera
    camera_from_world: Rigid


class ManoRecord(NamedTuple):
    """Hold a MANO hand as smplx takes it, in the world."""

    thetas: np.ndarray  # (15,) PCA coefficients, the mean pose not included
    global_orient: np.ndarray  # (3,) axis-angle
    transl: np.ndarray  # (3,) metres, not the wrist


class UmeTrackRecord(NamedTuple):
    """Hold a UmeTrack hand."""

    joint_angles: np.ndarray  # (20 or 22,)
    world_from_wrist: Rigid


class HandRecord(NamedTuple):
    """Say what is known of one hand in one image; MANO could not always be fitted."""

    mano: ManoRecord | None
    umetrack: UmeTrackRecord | None
    box_xyxy: np.ndarray | None  # (4,) px, hidden parts included; None where it is not seen
    visibility: float  # share of the hand that is seen


def read_camera(cameras: Any, stream: str) -> CameraRecord:
    """Read one camera of ``cameras.json``.

    Raises:
        ValueError: names the key and what is wrong with it.
    """
    record = _object(cameras, stream)
    calibration = _object(record, "calibration")
    model = calibration.get("projection_model_type")
    if not str(model).endswith(_MODEL):
        raise ValueError(f"projection_model_type: {model!r}, want {_MODEL}")
    params = numbers(calibration, "projection_params", (None,))
    if len(params) not in NUM_PARAMS:
        raise ValueError(f"projection_params: {len(params)} numbers, want one of {NUM_PARAMS}")
    width, height = (int(numbers(calibration, f"image_{name}", ())) for name in ("width", "height"))
    world_from_camera = Rigid.of_record(_object(record, "T_world_from_camera"))
    return CameraRecord(
        FisheyeCamera(params, (width, height), SIDEWAYS), world_from_camera.inverse()
    )


def read_hands(hands: Any, stream: str) -> dict[str, HandRecord]:
    """Read ``hands.json`` as one camera has it: those of the sides left and right that are there.

    Raises:
        ValueError: names the key and what is wrong with it.
    """
    if not isinstance(hands, Mapping):
        raise ValueError("not a JSON object")
    present = [side for side in SIDES if hands.get(side) is not None]
    return {side: _read_hand(_object(hands, side), stream) for side in present}


def read_time(info: Any) -> float:
    """Return the time of a frame in ``info.json``, seconds on the clock of the device.

    Raises:
        ValueError: names the key and what is wrong with it.
    """
    return float(numbers(info, "ref_timestamp_ns", ())) * SECONDS_PER_UNIT


def numbers(record: Any, key: str, shape: tuple[int | None, ...]) -> np.ndarray:
    """Return an entry of a JSON object as a float64 array.

    Args:
        shape: that it must have; ``None`` for any length.

    Raises:
        ValueError: names the key and what is wrong with it.
    """
    if not isinstance(record, Mapping) or key not in record:
        raise ValueError(f"{key}: missing")
    try:
        array = np.array(record[key], np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{key}: not an array of numbers ({error})") from error
    fits = len(array.shape) == len(shape) and all(
        want in (None, size) for want, size in zip(shape, array.shape, strict=True)
    )
    if not fits or not np.isfinite(array).all():
        raise ValueError(f"{key}: not finite or of shape {array.shape}, want {shape}")
    return array


def _read_hand(record: Mapping[str, Any], stream: str) -> HandRecord:
    boxes, visibilities = _object(record, "boxes_amodal"), _object(record, "visibilities_modeled")
    is_seen = boxes.get(stream) is not None and visibilities.get(stream) is not None
    return HandRecord(
        mano=_read_mano(record.get("mano_pose")),
        umetrack=_read_umetrack(record.get("umetrack_pose")),
        box_xyxy=numbers(boxes, stream, (4,)) if is_seen else None,
        visibility=float(numbers(visibilities, stream, ())) if is_seen else 0.0,
    )


def _read_mano(record: Any) -> ManoRecord | None:
    if record is None:
        return None
    xform = numbers(record, "wrist_xform", (6,))
    return ManoRecord(numbers(record, "thetas", (15,)), xform[:3], xform[3:])


def _read_umetrack(record: Any) -> UmeTrackRecord | None:
    if record is None:
        return None
    angles = numbers(record, "joint_angles", (None,))
    if len(angles) not in (20, 22):
        raise ValueError(f"joint_angles: {len(angles)} numbers, want 20 or 22")
    return UmeTrackRecord(angles, Rigid.of_record(_object(record, "T_world_from_wrist")))


def _object(record: Any, key: str) -> Mapping[str, Any]:
    if not isinstance(record, Mapping) or not isinstance(record.get(key), Mapping):
        raise ValueError(f"{key}: missing, or not a JSON object")
    return record[key]
