"""Reduce the errors of many hands to the numbers of a table, in millimetres.

Every table of this toolkit comes from ``summarize``: training-time validation, testing and
comparisons cannot drift apart. Averages run over all valid keypoints of all hands.
"""

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from handvit.evaluation import functional as F
from handvit.evaluation.ground_truth import GroundTruth
from handvit.evaluation.tracks import evenly_spaced_triples, group_tracks
from handvit.structures.skeleton import WRIST

MILLIMETRES = 1000.0


class VertexErrors(NamedTuple):
    """State how far meshes are from their annotation, averaged over the vertices of each hand."""

    cam: np.ndarray  # (N,) metres, no alignment
    rel: np.ndarray  # (N,) metres, after subtracting the wrist
    aligned: np.ndarray  # (N,) metres, after the best similarity
    valid: np.ndarray  # (N,) bool: the hand has a mesh annotation


def summarize(
    pred_keypoints_cam: np.ndarray, truth: GroundTruth, vertices: VertexErrors | None = None
) -> dict[str, float]:
    """Measure predicted hands.

    A metric that no hand allows (say, ``mpjpe_cam`` without any real camera) is absent. A hand
    whose wrist is not annotated is left out of everything relative to it.

    Args:
        pred_keypoints_cam: (N, 21, 3) metres, in the order of ``truth``.
        vertices: adds the mesh metrics where a hand has a mesh annotation.

    Returns:
        metric name -> millimetres (``accel_error``: mm / frame^2; ``auc_*``: 0 to 1;
        ``num_hands``: a count).

    Raises:
        ValueError: there is no hand, no annotation, or a prediction is not finite.
    """
    _check_inputs(pred_keypoints_cam, truth)
    pred = torch.as_tensor(pred_keypoints_cam, dtype=torch.float64)
    gt = torch.as_tensor(truth.keypoints_cam, dtype=torch.float64)
    valid = torch.as_tensor(truth.keypoints_cam_valid)
    camera_valid = torch.as_tensor(truth.camera_valid)
    metrics = _position_metrics(pred, gt, valid, camera_valid)
    metrics |= _root_metrics(pred[:, WRIST] - gt[:, WRIST], valid[:, WRIST] & camera_valid)
    metrics |= _acceleration_metric(pred, gt, valid & camera_valid[:, None], truth)
    if vertices is not None:
        metrics |= _vertex_metrics(vertices, truth.camera_valid)
    return {**metrics, "num_hands": float(len(truth))}


def summarize_data_sets(
    pred_keypoints_cam: np.ndarray, truth: GroundTruth, vertices: VertexErrors | None = None
) -> dict[str, float]:
    """Do ``summarize``, and where hands come from several data sets, once more for each of them.

    Returns:
        what ``summarize`` does, followed by ``DATASET/METRIC``.
    """
    metrics = summarize(pred_keypoints_cam, truth, vertices)
    origin = np.array([str(name).split("/")[0] for name in truth.sample_id])
    names = np.unique(origin).tolist()
    for name in names if len(names) > 1 else ():
        rows = np.flatnonzero(origin == name)
        own = None if vertices is None else VertexErrors(*(column[rows] for column in vertices))
        if truth.keypoints_cam_valid[rows].any():
            part = summarize(pred_keypoints_cam[rows], truth.select(rows), own)
            metrics |= {f"{name}/{metric}": value for metric, value in part.items()}
    return metrics


def _check_inputs(pred: np.ndarray, truth: GroundTruth) -> None:
    if len(truth) == 0:
        raise ValueError("no hand to evaluate: the data set or the selection of hands is empty")
    if pred.shape != truth.keypoints_cam.shape:
        raise ValueError(
            f"keypoints_cam: predictions have shape {pred.shape}, the labels of"
            f" {len(truth)} hands have {truth.keypoints_cam.shape}"
        )
    if not truth.keypoints_cam_valid.any():
        raise ValueError(
            f"keypoints_cam_valid: none of the {len(truth)} hands has a 3D keypoint;"
            f" evaluate on data with 3D labels (first id: {str(truth.sample_id[0])!r})"
        )
    finite = np.isfinite(pred).all(axis=(1, 2))
    if not finite.all():
        raise ValueError(
            f"keypoints_cam: {(~finite).sum()} of {len(truth)} predictions hold NaN or infinity,"
            f" the first for {str(truth.sample_id[~finite][0])!r}; the model has diverged"
        )


def _position_metrics(
    pred: Tensor, gt: Tensor, valid: Tensor, camera_valid: Tensor
) -> dict[str, float]:
    cases = {
        ("mpjpe_cam", "auc_cam"): (F.keypoint_errors(pred, gt), valid & camera_valid[:, None]),
        ("mpjpe_rel", "auc_rel"): (
            F.keypoint_errors(F.root_relative(pred), F.root_relative(gt)),
            valid & valid[:, WRIST : WRIST + 1],
        ),
        ("pa_mpjpe", "auc_pa"): (F.aligned_errors(pred, gt, valid), F.alignable(valid)),
    }
    metrics = {}
    for (mean_name, auc_name), (errors, mask) in cases.items():
        if mask.any():
            metrics[mean_name] = F.mean_of_valid(errors, mask).item() * MILLIMETRES
            metrics[auc_name] = F.area_under_pck(errors, mask).item()
    return metrics


def _root_metrics(offset: Tensor, mask: Tensor) -> dict[str, float]:
    """Average wrist errors: the distance, and the absolute part along each camera axis."""
    if not mask.any():
        return {}
    axes = offset[mask].abs().mean(dim=0) * MILLIMETRES  # (3,)
    distance = offset[mask].norm(dim=-1).mean().item() * MILLIMETRES
    return {
        "root_error": distance,
        **{f"root_error_{axis}": value for axis, value in zip("xyz", axes.tolist(), strict=True)},
    }


def _acceleration_metric(
    pred: Tensor, gt: Tensor, valid: Tensor, truth: GroundTruth
) -> dict[str, float]:
    """Compare accelerations in camera space over evenly spaced frames (Kanazawa et al. 2019)."""
    errors = []
    for rows in group_tracks(truth.sample_id, truth.frame_time).values():
        if len(rows) < 3:
            continue
        even = torch.as_tensor(evenly_spaced_triples(truth.frame_time[rows]))  # (T-2,)
        mask = valid[rows]
        mask = mask[:-2] & mask[1:-1] & mask[2:] & even[:, None]  # (T-2, 21)
        errors.append(
            F.keypoint_errors(F.accelerations(pred[rows]), F.accelerations(gt[rows]))[mask]
        )
    errors = torch.cat(errors) if errors else pred.new_zeros(0)
    return {"accel_error": errors.mean().item() * MILLIMETRES} if len(errors) else {}


def _vertex_metrics(vertices: VertexErrors, camera_valid: np.ndarray) -> dict[str, float]:
    cases = {
        "mpvpe_cam": (vertices.cam, vertices.valid & camera_valid),
        "mpvpe_rel": (vertices.rel, vertices.valid),
        "pa_mpvpe": (vertices.aligned, vertices.valid),
    }
    return {
        name: float(errors[mask].mean(dtype=np.float64)) * MILLIMETRES
        for name, (errors, mask) in cases.items()
        if mask.any()
    }
