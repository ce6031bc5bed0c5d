"""Predict the same hand everywhere, placed by its box: what a network has to beat.

The hand is the mean training hand. Its distance follows from the size of its box by the prior of
the patch-uv translation head, its direction from the centre of the box. Left hands are mirrored
for fitting and mirrored back for prediction.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from handvit.evaluation.ground_truth import GroundTruth
from handvit.geometry.box_prior import box_prior
from handvit.structures.skeleton import WRIST

_MIRROR = np.array([-1.0, 1.0, 1.0])


@dataclass(frozen=True)
class ConstantPredictor:
    """Place the mean hand by ``root = prior_k * distance per metre * unit ray + mean_offset``."""

    keypoints_rel: np.ndarray  # (21, 3) metres, mean right hand, camera axes
    prior_k: float  # metres: the size that a hand box stands for
    mean_offset: np.ndarray  # (3,) metres, from the placed point to the wrist of a right hand
    num_hands: int  # training hands behind it

    @classmethod
    def fit(cls, truth: GroundTruth) -> "ConstantPredictor":
        """Average training hands.

        Hands count if their camera is real and their wrist annotated; ``prior_k`` is the least
        squares fit to their distances.

        Raises:
            ValueError: no such hand, or a keypoint that none of them has.
        """
        truth = truth.select(truth.camera_valid & truth.keypoints_cam_valid[:, WRIST])
        missing = np.flatnonzero(~truth.keypoints_cam_valid.any(axis=0))
        if len(missing):
            raise ValueError(
                f"keypoints {missing.tolist()} occur in none of the {len(truth)} training hands"
                " with a real camera and a 3D wrist; the constant predictor needs all 21"
            )
        mirror = _mirror_of(truth.is_right)  # (N, 1, 3)
        weight = truth.keypoints_cam_valid[..., None]  # (N, 21, 1)
        rel = (truth.keypoints_cam - truth.keypoints_cam[:, :1]) * mirror
        root_cam = truth.keypoints_cam[:, WRIST]

        placed = rays_per_metre(truth)  # (N, 3)
        prior = np.linalg.norm(placed, axis=-1)
        prior_k = (prior * np.linalg.norm(root_cam, axis=-1)).sum() / (prior**2).sum()
        offset = (root_cam - prior_k * placed) * mirror[:, 0]
        return cls(
            keypoints_rel=(rel * weight).sum(axis=0) / weight.sum(axis=0),
            prior_k=float(prior_k),
            mean_offset=offset.mean(axis=0),
            num_hands=len(truth),
        )

    def predict(self, hands: GroundTruth) -> np.ndarray:
        """Return (N, 21, 3) metres from side, box and camera alone."""
        mirror = _mirror_of(hands.is_right)
        root_cam = self.prior_k * rays_per_metre(hands) + self.mean_offset * mirror[:, 0]
        return root_cam[:, None] + self.keypoints_rel * mirror

    def to_json(self) -> dict[str, Any]:
        """Return plain values, to report which constant it was."""
        return {
            "keypoints_rel": self.keypoints_rel.tolist(),
            "prior_k": self.prior_k,
            "mean_offset": self.mean_offset.tolist(),
            "num_hands": self.num_hands,
        }


def rays_per_metre(hands: GroundTruth) -> np.ndarray:
    """Point at box centres, as far away as a box of that size says for a hand of one metre.

    Returns:
        (N, 3), to be multiplied by metres.
    """
    box_and_camera = (hands.bbox_xyxy, hands.focal, hands.princpt)
    return box_prior(*map(torch.as_tensor, box_and_camera)).numpy()


def _mirror_of(is_right: np.ndarray) -> np.ndarray:
    return np.where(is_right[:, None], 1.0, _MIRROR)[:, None]  # (N, 1, 3)
