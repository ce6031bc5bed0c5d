"""Compare projected 3D keypoints with 2D ones, and explain the difference where they disagree.

A hand whose points do not project to their pixels is tried with other axes, another principal
point and another focal length. The first that makes it fit is the cause.
"""

from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType

import numpy as np
import torch

from handvit.datasets.doctor.label_table import LabelTable
from handvit.geometry.camera import project

#: Converters project exactly; what stays are rounded pixels and labels made by people. The larger
#: of the two counts: px, and share of the hand's box.
MAX_ERROR, MAX_ERROR_SHARE = 1.0, 0.01
#: Keypoints that a hand needs: explanations fit up to four numbers to twice as many coordinates.
MIN_KEYPOINTS = 8

#: How wrong axes would be put right, as a matrix on x and y.
AXES = MappingProxyType(
    {
        "y flipped (OpenGL axes)": ((1, 0), (0, -1)),
        "x flipped (mirrored)": ((-1, 0), (0, 1)),
        "x and y flipped": ((-1, 0), (0, -1)),
        "x and y exchanged": ((0, 1), (1, 0)),
        "turned by 90 degrees": ((0, -1), (1, 0)),
        "turned by -90 degrees": ((0, 1), (-1, 0)),
    }
)


class Cause(Enum):
    """Say why a hand does not reproject."""

    FITS = "nothing is wrong"
    CAMERA_AXES = "camera axes"
    PRINCIPAL_POINT = "principal point"
    FOCAL_LENGTH = "focal length"
    UNKNOWN = "unknown"


@dataclass(frozen=True, eq=False)
class Reprojection:
    """Hold the comparison for the M hands that have both kinds of keypoints and a camera."""

    row: np.ndarray  # (M,) of the table
    error: np.ndarray  # (M,) px, mean over keypoints
    tolerance: np.ndarray  # (M,) px
    cause: np.ndarray  # (M,) of Cause
    axes: np.ndarray  # (M,) index into AXES, where that is the cause
    shift: np.ndarray  # (M, 2) px: principal point that would fit best minus the stored one
    focal_ratio: np.ndarray  # (M, 2) focal length that would fit best over the stored one

    @classmethod
    def of(cls, table: LabelTable) -> "Reprojection":
        """Compare and explain all hands of a table."""
        valid = table.keypoints_img_valid & table.keypoints_cam_valid  # (N, 21)
        row = np.flatnonzero(table.camera_valid & (valid.sum(1) >= MIN_KEYPOINTS))
        valid = valid[row]
        target, offset = _pixels(table, row)
        size = np.sqrt(np.prod(table.bbox_xyxy[row, 2:] - table.bbox_xyxy[row, :2], axis=1))
        tolerance = np.maximum(MAX_ERROR, MAX_ERROR_SHARE * size)
        residual = target - offset  # (M, 21, 2)
        error = _mean_length(residual, valid)
        flipped = np.stack(
            [_mean_length(target - offset @ np.array(matrix).T, valid) for matrix in AXES.values()]
        )
        shift = _mean(residual, valid)
        shifted = _mean_length(residual - shift[:, None], valid)
        focal_ratio, refocused = _fit_focal(target, offset, valid)
        explanations = {
            Cause.FITS: error,
            Cause.CAMERA_AXES: flipped.min(0),
            Cause.PRINCIPAL_POINT: shifted,
            Cause.FOCAL_LENGTH: np.where((focal_ratio > 0).all(1), refocused, np.inf),
            Cause.UNKNOWN: np.zeros_like(error),
        }
        fits = np.stack([value <= tolerance for value in explanations.values()])  # (5, M)
        cause = np.array(list(explanations), dtype=object)[fits.argmax(0)]
        return cls(row, error, tolerance, cause, flipped.argmin(0), shift, focal_ratio)

    def share(self, cause: Cause) -> float:
        """Part of the hands that a cause explains, in [0, 1]."""
        return float((self.cause == cause).mean())


def _pixels(table: LabelTable, row: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return annotated and projected keypoints, (M, 21, 2) px from the principal point."""
    points_cam = torch.from_numpy(table.keypoints_cam[row]).double()
    focal = torch.from_numpy(table.focal[row])
    offset = project(points_cam, focal, torch.zeros_like(focal)).numpy()
    valid = (table.keypoints_img_valid & table.keypoints_cam_valid)[row, :, None]
    target = table.keypoints_img[row] - table.princpt[row, None]
    return np.where(valid, target, 0.0), np.where(valid, offset, 0.0)


def _mean(values: np.ndarray, valid: np.ndarray) -> np.ndarray:
    """Mean over the valid keypoints, (M, 21, ...) -> (M, ...)."""
    mask = valid.reshape(*valid.shape, *[1] * (values.ndim - 2))
    return (values * mask).sum(1) / np.maximum(mask.sum(1), 1)


def _mean_length(residual: np.ndarray, valid: np.ndarray) -> np.ndarray:
    return _mean(np.linalg.norm(residual, axis=-1), valid)


def _fit_focal(
    target: np.ndarray, offset: np.ndarray, valid: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Fit ``target = ratio * offset + shift`` by least squares for each hand and each axis.

    Returns:
        ratio (M, 2), and the mean error that is left, (M,) px.
    """
    offset_centred = offset - _mean(offset, valid)[:, None]
    target_centred = target - _mean(target, valid)[:, None]
    spread = _mean(offset_centred**2, valid)
    ratio = _mean(offset_centred * target_centred, valid) / np.maximum(spread, 1e-12)
    return ratio, _mean_length(target_centred - ratio[:, None] * offset_centred, valid)
