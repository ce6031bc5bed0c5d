"""Make the meshes that MANO annotations describe, and compare meshes with them."""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from handvit.evaluation.functional import aligned_errors, keypoint_errors
from handvit.evaluation.summary import VertexErrors
from handvit.geometry.rotation import mirror_points
from handvit.registry import MODELS
from handvit.structures import ManoParams


class HandMeshes:
    """Turn MANO parameters of real left and right hands into vertices.

    Args:
        hand_model: config of the right hand's layer, e.g. ``dict(type='ManoLayer')``.
        left_hand_model: config of the left hand's; the same with ``is_right=False`` when omitted.

    A layer is built at its first use, so that right hands need no left model; one that is named
    here is built at once, so that a missing file is not found out after hours of training.
    """

    def __init__(
        self, hand_model: dict[str, Any], *, left_hand_model: dict[str, Any] | None = None
    ) -> None:
        self._configs = {
            True: {**hand_model, "is_right": True},
            False: {**(left_hand_model or hand_model), "is_right": False},
        }
        self._layers: dict[bool, torch.nn.Module] = {}
        self.layer(is_right=True)
        if left_hand_model is not None:
            self.layer(is_right=False)

    def layer(self, is_right: bool) -> torch.nn.Module:
        """Return the layer of one side, in float64."""
        if is_right not in self._layers:
            self._layers[is_right] = MODELS.build(self._configs[is_right]).double()
        return self._layers[is_right]

    @property
    def identity(self) -> str:
        """Name the arrays of the right hand's layer."""
        return self.layer(is_right=True).identity

    def vertices_cam(self, mano: ManoParams, is_right: Tensor) -> Tensor:
        """Return the meshes of N hands, (N, 778, 3) float64 metres.

        Args:
            mano: (N, ...) of real left and right hands.
            is_right: (N,) bool, the layer to take for each hand.
        """
        mano = ManoParams(*(tensor.double() for tensor in mano))
        meshes = mano.root_cam.new_zeros(
            len(is_right), self.layer(True).asset.v_template.shape[0], 3
        )
        for side in is_right.unique().tolist():
            rows = is_right == side
            mesh = self.layer(side)(
                mano.global_orient[rows], mano.hand_pose[rows], mano.betas[rows]
            )
            meshes[rows] = mesh.vertices_rel + mano.root_cam[rows, None]
        return meshes  # (N, 778, 3)

    def predicted_vertices_cam(self, mano: ManoParams, is_right: Tensor) -> Tensor:
        """Return the meshes that the network meant, (N, 778, 3) float64 metres.

        The network poses right hands only; a left hand is the mirror image of one.
        """
        as_right = [
            torch.where(_like(is_right, tensor), tensor, mirrored)
            for tensor, mirrored in zip(mano, mano.mirrored(), strict=True)
        ]
        meshes = self.vertices_cam(ManoParams(*as_right), torch.ones_like(is_right))
        return torch.where(_like(is_right, meshes), meshes, mirror_points(meshes))


def vertex_errors(
    pred_vertices_cam: Tensor, pred_root_cam: Tensor, gt_vertices_cam: Tensor, gt_root_cam: Tensor
) -> VertexErrors:
    """Compare the meshes of N hands, (N, 778, 3) and roots (N, 3) metres; all rows are valid."""
    pred, gt = pred_vertices_cam.double(), gt_vertices_cam.double()
    pred_rel, gt_rel = pred - pred_root_cam[:, None].double(), gt - gt_root_cam[:, None].double()
    all_vertices = torch.ones(pred.shape[:2], dtype=torch.bool, device=pred.device)
    errors = (
        keypoint_errors(pred, gt),
        keypoint_errors(pred_rel, gt_rel),
        aligned_errors(pred, gt, all_vertices),
    )
    means = (error.mean(dim=-1).cpu().numpy() for error in errors)  # (N,) each
    return VertexErrors(*means, valid=np.ones(len(pred), dtype=bool))


def scatter_vertex_errors(errors: VertexErrors, rows: np.ndarray) -> VertexErrors:
    """Spread the errors of some hands over all, rows (N,) bool; the others become invalid."""
    spread = (np.zeros(len(rows)) for _ in errors[:3])
    full = VertexErrors(*spread, valid=np.zeros(len(rows), dtype=bool))
    for target, source in zip(full, errors, strict=True):
        target[rows] = source
    return full


def _like(mask: Tensor, tensor: Tensor) -> Tensor:
    """Append dims of one to a mask (N,) until it broadcasts with (N, ...)."""
    return mask.reshape(-1, *[1] * (tensor.dim() - 1))
