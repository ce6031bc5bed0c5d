"""Tell near hands from far ones: an average hides that depth fails where training had no data."""

from typing import Any, NamedTuple

import numpy as np

from handvit.evaluation.ground_truth import GroundTruth
from handvit.evaluation.summary import MILLIMETRES
from handvit.structures.skeleton import WRIST

_MIN_HANDS = 4  # in a bin


class DepthBins(NamedTuple):
    """State wrist errors by the true depth of the wrist, in bins of (nearly) equal count."""

    edge: np.ndarray  # (num_bins + 1,) metres
    count: np.ndarray  # (num_bins,)
    root_error: np.ndarray  # (num_bins,) metres, mean distance
    depth_bias: np.ndarray  # (num_bins,) metres, mean of predicted minus true depth

    def to_json(self) -> dict[str, Any]:
        """Return plain values, lengths in millimetres."""
        lengths = {
            "edge": self.edge,
            "root_error": self.root_error,
            "depth_bias": self.depth_bias,
        }
        return {
            "count": self.count.tolist(),
            **{name: (values * MILLIMETRES).tolist() for name, values in lengths.items()},
        }


def bin_by_depth(
    pred_keypoints_cam: np.ndarray, truth: GroundTruth, *, max_bins: int = 8
) -> DepthBins:
    """Sort hands by the depth of their annotated wrist.

    Args:
        pred_keypoints_cam: (N, 21, 3) metres, in the order of ``truth``.

    Raises:
        ValueError: no hand has a 3D wrist in a real camera.
    """
    rows = truth.camera_valid & truth.keypoints_cam_valid[:, WRIST]
    if not rows.any():
        raise ValueError(f"none of {len(truth)} hands has a 3D wrist in a real camera to sort by")
    gt = truth.keypoints_cam[rows, WRIST]
    offset = pred_keypoints_cam[rows, WRIST] - gt  # (N, 3)
    depth = gt[:, 2]
    num_bins = max(1, min(max_bins, len(depth) // _MIN_HANDS))
    members = np.array_split(np.argsort(depth, kind="stable"), num_bins)
    distance = np.linalg.norm(offset, axis=-1)
    return DepthBins(
        edge=np.array([*(depth[rows[0]] for rows in members), depth.max()]),
        count=np.array([len(rows) for rows in members]),
        root_error=np.array([distance[rows].mean() for rows in members]),
        depth_bias=np.array([offset[rows, 2].mean() for rows in members]),
    )
