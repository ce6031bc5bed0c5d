"""Read the labels of a data set, and match them with predictions by sample id."""

from collections.abc import Mapping

import numpy as np
import torch

from handvit.datasets.shards.shard_reader import ShardReader
from handvit.evaluation.ground_truth import GroundTruth, stack_records
from handvit.evaluation.predictions import PredictionFile
from handvit.geometry.rotation import axis_angle_to_matrix
from handvit.structures import ManoParams

_MANO_FIELDS = ("global_orient", "hand_pose", "betas", "mano_root_cam", "mano_valid")


def read_ground_truth(reader: ShardReader, max_hands: int | None = None) -> GroundTruth:
    """Read all hands, or ``max_hands`` of them at even distances; images are not touched."""
    rows = np.arange(len(reader))
    if max_hands is not None and len(rows) > max_hands:
        rows = np.linspace(0, len(rows) - 1, max_hands).round().astype(int)
    return GroundTruth.from_records(reader.read_record(row) for row in rows)


def read_mano(reader: ShardReader, rows: np.ndarray) -> tuple[ManoParams, np.ndarray]:
    """Read the mesh annotation of some rows: (N, ...) parameters and which are valid, (N,)."""
    columns = stack_records((reader.read_record(row) for row in rows), _MANO_FIELDS)
    valid = columns.pop("mano_valid")
    mano = mano_from_axis_angle(*columns.values())
    return mano, valid


def mano_from_axis_angle(
    global_orient: np.ndarray, hand_pose: np.ndarray, betas: np.ndarray, root_cam: np.ndarray
) -> ManoParams:
    """Build parameters from what files hold: (N, 3) and (N, 45) axis-angle, (N, 10), (N, 3)."""
    return ManoParams(
        global_orient=axis_angle_to_matrix(torch.as_tensor(global_orient)),
        hand_pose=axis_angle_to_matrix(torch.as_tensor(hand_pose).reshape(-1, 15, 3)),
        betas=torch.as_tensor(betas),
        root_cam=torch.as_tensor(root_cam),
    )


def sort_by_id(files: Mapping[str, PredictionFile]) -> dict[str, PredictionFile]:
    """Bring prediction files into one order.

    Raises:
        ValueError: they hold different hands; names counts and an example.
    """
    ordered = {
        name: file.select(np.argsort(file.sample_id, kind="stable")) for name, file in files.items()
    }
    first, *others = ordered
    ids = set(ordered[first].sample_id.tolist())
    for name in others:
        difference = sorted(ids.symmetric_difference(ordered[name].sample_id.tolist()))
        if difference:
            raise ValueError(
                f"{first} holds {len(ids)} hands and {name} {len(ordered[name])}, and"
                f" {len(difference)} are in one of them only, such as {difference[0]!r};"
                " predict both on the same data set"
            )
    return ordered


def rows_of(sample_ids: np.ndarray, truth: GroundTruth, where: str) -> np.ndarray:
    """Find hands by id, (N,) row numbers of ``truth``.

    Raises:
        ValueError: a hand is not there; ``where`` names the data set in the message.
    """
    row_of_id = {sample_id: row for row, sample_id in enumerate(truth.sample_id.tolist())}
    missing = [sample_id for sample_id in sample_ids.tolist() if sample_id not in row_of_id]
    if missing:
        raise ValueError(
            f"{where}: lacks {len(missing)} of the {len(sample_ids)} predicted hands, such as"
            f" {missing[0]!r}; name the data set that was predicted"
        )
    return np.array([row_of_id[sample_id] for sample_id in sample_ids.tolist()], dtype=int)
