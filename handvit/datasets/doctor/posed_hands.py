"""Pose hands by their MANO parameters and measure how far they lie from their keypoints."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from handvit.datasets.doctor.label_table import LabelTable
from handvit.datasets.shards.dataset_info import DatasetInfo
from handvit.geometry.rotation import axis_angle_to_matrix
from handvit.hand_models import ManoLayer
from handvit.hand_models.mano_assets import OPENHAND

#: Side -> hand model; ``True`` is right.
HandModels = Mapping[bool, ManoLayer]

#: Hands that are posed, spread evenly over the table: more would tell the same more slowly.
MAX_POSED = 4000
_BATCH = 256
_TIPS = [4, 8, 12, 16, 20]


def load_hand_models(info: DatasetInfo, mano: Path | None) -> HandModels | None:
    """Load both sides of the hand model that a data set's parameters belong to, in float64.

    Args:
        mano: folder that ``setup_mano.py`` wrote.

    Returns:
        ``None`` where the data set has no parameters, or is MANO's and no folder is given.

    Raises:
        ValueError: the folder holds no MANO.
    """
    if info.hand_model is None or (info.hand_model != OPENHAND and mano is None):
        return None
    sources = {True: OPENHAND, False: OPENHAND}
    if info.hand_model != OPENHAND:
        sources = {True: str(mano / "MANO_RIGHT.npz"), False: str(mano / "MANO_LEFT.npz")}
    tips = {"fingertips": info.fingertips} if info.fingertips is not None else {}
    return {
        is_right: ManoLayer(source, is_right=is_right, **tips).double()
        for is_right, source in sources.items()
    }


@dataclass(frozen=True, eq=False)
class PosedHands:
    """Hold how far M posed hands lie from their annotated keypoints, (M,) metres each.

    ``gap`` is measured in camera space; the others leave out the mean offset, which is the wrist's
    affair, and try the pose as it is, minus the mean pose, and plus it.
    """

    row: np.ndarray  # (M,) of the table
    gap: np.ndarray
    gap_as_stored: np.ndarray
    gap_minus_mean: np.ndarray
    gap_plus_mean: np.ndarray

    @classmethod
    def of(cls, table: LabelTable, models: HandModels) -> "PosedHands":
        """Pose the hands of a table that have parameters and 3D keypoints."""
        valid = _compared_keypoints(table)
        rows = np.flatnonzero(table.mano_valid & valid.any(1))
        rows = rows[np.linspace(0, len(rows) - 1, min(MAX_POSED, len(rows))).round().astype(int)]
        gaps = np.zeros((len(rows), 4))
        for is_right, model in models.items():
            side = np.flatnonzero(table.is_right[rows] == is_right)
            for start in range(0, len(side), _BATCH):
                batch = side[start : start + _BATCH]
                gaps[batch] = _gaps(table, rows[batch], valid[rows[batch]], model)
        return cls(rows, *gaps.T)


def _compared_keypoints(table: LabelTable) -> np.ndarray:
    """Mark the annotated keypoints that the mesh also has, (N, 21) bool."""
    valid = table.keypoints_cam_valid.copy()
    if table.info.fingertips is None:
        valid[:, _TIPS] = False
    return valid


def _gaps(table: LabelTable, rows: np.ndarray, valid: np.ndarray, model: ManoLayer) -> np.ndarray:
    """Pose B hands of one side three times, (B, 4) metres in the order of ``PosedHands``."""
    pose = table.hand_pose[rows].astype(np.float64)
    mean = model.asset.hands_mean.astype(np.float64)
    orient = axis_angle_to_matrix(torch.from_numpy(table.global_orient[rows]).double())
    betas = torch.from_numpy(table.betas[rows]).double()
    labels = table.keypoints_cam[rows] - table.mano_root_cam[rows, None].astype(np.float64)
    differences = []
    for candidate in (pose, pose - mean, pose + mean):
        turns = axis_angle_to_matrix(torch.from_numpy(candidate).unflatten(-1, (15, 3)))
        with torch.no_grad():
            differences.append(model(orient, turns, betas).keypoints_rel.numpy() - labels)
    centred = [_mean_length(d - _mean(d, valid)[:, None], valid) for d in differences]
    return np.stack([_mean_length(differences[0], valid), *centred], axis=1)


def _mean(values: np.ndarray, valid: np.ndarray) -> np.ndarray:
    """Mean over the valid keypoints, (B, 21, 3) -> (B, 3)."""
    return (values * valid[..., None]).sum(1) / valid.sum(1)[:, None]


def _mean_length(values: np.ndarray, valid: np.ndarray) -> np.ndarray:
    return (np.linalg.norm(values, axis=-1) * valid).sum(1) / valid.sum(1)
