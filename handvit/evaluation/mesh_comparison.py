"""Measure the meshes of a prediction file against the mesh annotation of a data set."""

import numpy as np
import torch

from handvit.evaluation.data_labels import mano_from_axis_angle
from handvit.evaluation.hand_meshes import HandMeshes, scatter_vertex_errors, vertex_errors
from handvit.evaluation.predictions import PredictionFile
from handvit.evaluation.summary import VertexErrors
from handvit.structures import ManoParams

_BATCH = 256  # hands: bounds the memory, a mesh is 19 kB


def mesh_errors(
    meshes: HandMeshes, predictions: PredictionFile, gt_mano: ManoParams, gt_valid: np.ndarray
) -> VertexErrors:
    """Compare N predicted hands with their annotation, in the same order.

    Args:
        meshes: of the hand model that both belong to.
        gt_mano: (N, ...).
        gt_valid: (N,) bool.
    """
    pred_mano = mano_from_axis_angle(
        predictions.global_orient, predictions.hand_pose, predictions.betas, predictions.root_cam
    )
    is_right = torch.as_tensor(predictions.is_right)
    chosen = np.flatnonzero(gt_valid)
    parts = []
    for start in range(0, len(chosen), _BATCH):
        rows = torch.as_tensor(chosen[start : start + _BATCH])
        pred, gt = (ManoParams(*(tensor[rows] for tensor in mano)) for mano in (pred_mano, gt_mano))
        parts.append(
            vertex_errors(
                meshes.predicted_vertices_cam(pred, is_right[rows]),
                pred.root_cam,
                meshes.vertices_cam(gt, is_right[rows]),
                gt.root_cam,
            )
        )
    if not parts:
        return scatter_vertex_errors(VertexErrors(0.0, 0.0, 0.0, False), gt_valid)
    errors = VertexErrors(*(np.concatenate(column) for column in zip(*parts, strict=True)))
    return scatter_vertex_errors(errors, gt_valid)
