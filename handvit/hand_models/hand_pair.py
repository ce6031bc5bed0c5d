"""Pose hands of both sides in NumPy and float64, for converters and checks of data."""

from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from handvit.geometry.rotation import axis_angle_to_matrix
from handvit.hand_models.mano_assets import OPENHAND, HandAsset, load_hand_asset
from handvit.hand_models.mano_layer import ManoLayer
from handvit.structures import HandSample


class PosedMesh(NamedTuple):
    """Hold hands in the frame that their wrist was given in, metres, float64."""

    keypoints: np.ndarray  # (..., 21, 3) canonical order
    vertices: np.ndarray  # (..., 778, 3)


class HandPair:
    """Hold the right and the left hand of one hand model.

    Args:
        right: asset of the right hand.
        left: asset of the left hand, whose ``shapedirs`` mirror the right ones.
        fingertips: name of a set of tip vertices in ``skeleton.py``.
        stock_left: pose left hands with the shape directions that MANO's file was published with,
            un-mirrored in x. DexYCB and ARCTIC were fitted with them.
    """

    def __init__(
        self,
        right: HandAsset,
        left: HandAsset,
        *,
        fingertips: str = "smplx",
        stock_left: bool = False,
    ) -> None:
        if stock_left:
            left = replace(left, shapedirs=left.shapedirs * np.float32([-1, 1, 1])[:, None])
        self.fingertips = fingertips
        self._assets = {True: right, False: left}
        self._layers = {
            is_right: ManoLayer(asset, is_right=is_right, fingertips=fingertips).double()
            for is_right, asset in self._assets.items()
        }

    @classmethod
    def load(
        cls, source: str, *, fingertips: str = "smplx", stock_left: bool = False
    ) -> "HandPair":
        """Load both hands.

        Args:
            source: ``'openhand'`` or the folder that ``tools/misc/setup_mano.py`` wrote to.

        Raises:
            ValueError: a file is missing or not what it should be.
        """
        is_open = source == OPENHAND
        right = source if is_open else str(Path(source) / "MANO_RIGHT.npz")
        left = source if is_open else str(Path(source) / "MANO_LEFT.npz")
        return cls(
            load_hand_asset(right, is_right=True),
            load_hand_asset(left, is_right=False),
            fingertips=fingertips,
            stock_left=stock_left,
        )

    @property
    def name(self) -> str:
        """``'mano'`` or ``'openhand'``, for ``DatasetInfo.hand_model``."""
        return self._assets[True].name

    def asset(self, is_right: bool) -> HandAsset:
        """Return the arrays of one side, for the functions of ``mano_conversion``."""
        return self._assets[is_right]

    def pose(
        self,
        is_right: bool,
        *,
        global_orient: np.ndarray,
        hand_pose: np.ndarray,
        betas: np.ndarray,
        root: np.ndarray,
    ) -> PosedMesh:
        """Pose hands of one side.

        Args:
            global_orient: (..., 3) axis-angle, rad.
            hand_pose: (..., 45) absolute axis-angle: flat hand = zero.
            betas: (..., 10).
            root: (..., 3) wrist, metres.
        """
        orient, pose = _matrices(global_orient, 1)[..., 0, :, :], _matrices(hand_pose, 15)
        with torch.no_grad():
            mesh = self._layers[is_right](orient, pose, torch.as_tensor(betas).double())
        root = np.asarray(root)[..., None, :]
        return PosedMesh(mesh.keypoints_rel.numpy() + root, mesh.vertices_rel.numpy() + root)

    def pose_sample(self, sample: HandSample) -> PosedMesh:
        """Pose the labels of a sample, in its camera."""
        return self.pose(
            sample.is_right,
            global_orient=sample.global_orient,
            hand_pose=sample.hand_pose,
            betas=sample.betas,
            root=sample.mano_root_cam,
        )

    def label(
        self,
        sample: HandSample,
        *,
        global_orient: np.ndarray,
        hand_pose: np.ndarray,
        betas: np.ndarray,
        root: np.ndarray,
    ) -> HandSample:
        """Return a sample with MANO's parameters, as ``pose`` takes them, and their residual."""
        labelled = replace(
            sample,
            mano_valid=True,
            global_orient=global_orient,
            hand_pose=hand_pose,
            betas=betas,
            mano_root_cam=root,
        )
        return replace(labelled, mano_residual=self.residual(labelled))

    def residual(self, sample: HandSample) -> float | None:
        """Return the mean distance of MANO's keypoints from the annotated ones, metres.

        ``None`` where one of the two is missing.
        """
        valid = sample.keypoints_cam_valid
        if not sample.mano_valid or not valid.any():
            return None
        gap = self.pose_sample(sample).keypoints[valid] - sample.keypoints_cam[valid]
        return float(np.linalg.norm(gap, axis=-1).mean())


def _matrices(axis_angle: np.ndarray, num_joints: int) -> torch.Tensor:
    """Return rotation matrices, (..., 3 * num_joints) -> (..., num_joints, 3, 3)."""
    vectors = torch.as_tensor(np.asarray(axis_angle, np.float64))
    return axis_angle_to_matrix(vectors.unflatten(-1, (num_joints, 3)))
