"""Measure a model while MMEngine runs it over a data set, on any number of processes."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.dist import get_world_size
from mmengine.evaluator import BaseMetric
from torch import Tensor

from handvit.evaluation.ground_truth import GroundTruth
from handvit.evaluation.hand_meshes import HandMeshes, scatter_vertex_errors, vertex_errors
from handvit.evaluation.predictions import PredictionFile, PredictionHeader
from handvit.evaluation.summary import VertexErrors, summarize_data_sets
from handvit.geometry.rotation import matrix_to_axis_angle
from handvit.registry import METRICS
from handvit.structures import HandBatch, HandLabels, HandPrediction, ManoParams

#: What ``process`` collects: the rows of a few hands, as arrays.
Columns = dict[str, dict[str, np.ndarray]]


@METRICS.register_module()
class HandMetric(BaseMetric):
    """Compute ``summarize`` over the last frames of all clips, and for each of several data sets.

    Every hand counts once, however the sampler pads and the processes share the data. Batches
    carry the labels of the stored image; predictions are real left and right hands in its camera.

    Args:
        hand_model: config of the layer that makes ground-truth meshes (and names the hand model
            in the dump); vertex metrics are left out when omitted.
        left_hand_model: the layer of left hands, when it is not ``hand_model`` with
            ``is_right=False``.
        dump_path: write the predictions here (``PredictionFile``, by the main process).
        config, checkpoint: what the dump says about the model.
        collect_device: ``gpu`` gathers through the process group, whatever its backend; ``cpu``
            goes through files in the working directory.
    """

    default_prefix = ""  # metrics are named as in ``summarize``

    def __init__(
        self,
        *,
        hand_model: dict[str, Any] | None = None,
        left_hand_model: dict[str, Any] | None = None,
        dump_path: str | Path | None = None,
        config: str = "",
        checkpoint: str = "",
        collect_device: str = "gpu",
    ) -> None:
        super().__init__(collect_device=collect_device)
        self._meshes = (
            HandMeshes(hand_model, left_hand_model=left_hand_model) if hand_model else None
        )
        self._dump_path = dump_path
        #: Compared with the model's by ``HandModelHook``, which fills it in when it is empty.
        self.hand_model_identity = self._meshes.identity if self._meshes else ""
        self._provenance = {"config": config, "checkpoint": checkpoint}

    def process(self, data_batch: HandBatch, data_samples: Sequence[HandPrediction]) -> None:
        """Keep what the metrics need of one batch.

        Args:
            data_batch: (B, T, ...) labels as the loader delivered them.
            data_samples: B predictions of single hands, without leading dims.
        """
        labels = data_batch.labels.last_frame()
        assert len(data_samples) == len(labels.sample_id), "one prediction a hand"
        mano = ManoParams(
            *map(torch.stack, zip(*(hand.mano for hand in data_samples), strict=True))
        )
        columns = {
            "truth": _truth_columns(labels),
            "prediction": _prediction_columns(mano, data_samples),
        }
        if self._meshes is not None:
            columns["vertices"] = self._vertex_errors(labels, data_samples)._asdict()
        self.results.append(columns)

    def evaluate(self, size: int) -> dict[str, float]:
        """Gather all processes and compute the metrics.

        ``BaseMetric`` cuts the gathered list to ``size`` items, which loses hands whenever they
        do not come in the order of a padding sampler. One item a process leaves nothing to cut.

        Args:
            size: not needed, hands are told apart by their ids.
        """
        self.results = [self.results]
        return super().evaluate(get_world_size())

    def compute_metrics(self, results: list[list[Columns]]) -> dict[str, float]:
        """Drop repeated hands, write the dump, and summarize.

        Raises:
            ValueError: no hand, no annotation, or predictions that are not finite.
        """
        columns = [batch for part in results for batch in part]
        if not columns:
            raise ValueError("HandMetric: no hand was processed; the evaluated data set is empty")
        truth = GroundTruth(**_concatenate(columns, "truth"))
        _, first = np.unique(truth.sample_id, return_index=True)
        truth = truth.select(first)
        prediction = {
            name: column[first] for name, column in _concatenate(columns, "prediction").items()
        }
        vertices = None
        if self._meshes is not None:
            errors = _concatenate(columns, "vertices")
            vertices = VertexErrors(**{name: column[first] for name, column in errors.items()})
        if self._dump_path is not None:
            self._dump(truth, prediction)
        return summarize_data_sets(prediction["keypoints_cam"], truth, vertices)

    def _vertex_errors(
        self, labels: HandLabels, predictions: Sequence[HandPrediction]
    ) -> VertexErrors:
        rows = labels.mano_valid[:, 0]  # (B,)
        if not rows.any():
            return scatter_vertex_errors(VertexErrors(0.0, 0.0, 0.0, False), rows.numpy())
        self._check_hand_model()
        chosen = [hand for hand, valid in zip(predictions, rows.tolist(), strict=True) if valid]
        gt = ManoParams(*(tensor[rows, 0] for tensor in labels.mano))
        errors = vertex_errors(
            torch.stack([hand.vertices_cam for hand in chosen]),
            torch.stack([hand.root_cam for hand in chosen]),
            self._meshes.vertices_cam(gt, labels.is_right[rows, 0]),
            gt.root_cam,
        )
        return scatter_vertex_errors(errors, rows.numpy())

    def _check_hand_model(self) -> None:
        """Refuse to read one hand model's parameters with another."""
        of_data = (self.dataset_meta or {}).get("hand_model")
        own = self._meshes.layer(is_right=True).asset.name
        if of_data is not None and of_data != own:
            raise ValueError(
                f"HandMetric: hand_model is {own!r}, the data set's MANO labels are for"
                f" {of_data!r}; set hand_model to the data set's, or omit it to leave out"
                " vertex metrics"
            )

    def _dump(self, truth: GroundTruth, prediction: dict[str, np.ndarray]) -> None:
        header = PredictionHeader(hand_model=self.hand_model_identity, **self._provenance)
        shared = ("sample_id", "frame_time", "is_right", "focal", "princpt", "bbox_xyxy")
        PredictionFile(
            header=header, **{name: getattr(truth, name) for name in shared}, **prediction
        ).save(self._dump_path)


def _truth_columns(labels: HandLabels) -> dict[str, np.ndarray]:
    frame = {
        "frame_time": labels.frame_time,
        "is_right": labels.is_right,
        "bbox_xyxy": labels.bbox_xyxy,
        "focal": labels.focal,
        "princpt": labels.princpt,
        "camera_valid": labels.camera_valid,
        "keypoints_cam": labels.keypoints_cam,
        "keypoints_cam_valid": labels.keypoints_cam_valid,
    }
    return {
        "sample_id": np.array(labels.sample_id),
        **{name: _to_numpy(tensor[:, 0]) for name, tensor in frame.items()},
    }


def _prediction_columns(
    mano: ManoParams, predictions: Sequence[HandPrediction]
) -> dict[str, np.ndarray]:
    columns = {
        "keypoints_cam": torch.stack([hand.keypoints_cam for hand in predictions]),
        "root_cam": mano.root_cam,
        "global_orient": matrix_to_axis_angle(mano.global_orient.double()),  # (B, 3)
        "hand_pose": matrix_to_axis_angle(mano.hand_pose.double()).flatten(-2),  # (B, 45)
        "betas": mano.betas,
    }
    return {name: _to_numpy(tensor) for name, tensor in columns.items()}


def _to_numpy(tensor: Tensor) -> np.ndarray:
    """Take a tensor to float64 (or keep its bool) on the host."""
    tensor = tensor.detach().cpu()
    return (tensor.double() if tensor.is_floating_point() else tensor).numpy()


def _concatenate(columns: Sequence[Columns], table: str) -> dict[str, np.ndarray]:
    names = columns[0][table]
    return {name: np.concatenate([batch[table][name] for batch in columns]) for name in names}
