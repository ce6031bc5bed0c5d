"""Run all checks on a data set."""

from pathlib import Path
from typing import Any

from handvit.datasets.doctor.bone_lengths_check import check_bone_lengths
from handvit.datasets.doctor.camera_checks import check_camera_center, check_field_of_view
from handvit.datasets.doctor.collect import Report, collect
from handvit.datasets.doctor.finding import Finding, Status
from handvit.datasets.doctor.handedness_check import check_handedness
from handvit.datasets.doctor.joint_order_check import check_joint_order
from handvit.datasets.doctor.label_checks import (
    check_boxes,
    check_duplicates,
    check_labels,
    check_records,
)
from handvit.datasets.doctor.label_table import LabelTable
from handvit.datasets.doctor.mano_checks import check_mano
from handvit.datasets.doctor.motion_checks import (
    check_frame_rate,
    check_frame_spacing,
    check_temporal_jumps,
)
from handvit.datasets.doctor.posed_hands import HandModels, load_hand_models
from handvit.datasets.doctor.reprojection_checks import (
    check_camera_axes,
    check_focal_length,
    check_principal_point,
    check_reprojection,
)
from handvit.datasets.doctor.units_check import check_units
from handvit.datasets.shards.shard_reader import ShardReader

#: About 100 MB of labels and a minute of reading.
MAX_SAMPLES = 100_000

#: Each takes a table and returns one finding. Causes come before their consequences.
CHECKS = (
    check_records,
    check_labels,
    check_duplicates,
    check_units,
    check_joint_order,
    check_bone_lengths,
    check_handedness,
    check_camera_axes,
    check_principal_point,
    check_focal_length,
    check_reprojection,
    check_field_of_view,
    check_camera_center,
    check_boxes,
    check_frame_rate,
    check_frame_spacing,
    check_temporal_jumps,
)


def examine(
    root: Path | str,
    *,
    mano: Path | None = None,
    max_samples: int = MAX_SAMPLES,
    seed: int = 0,
    report: Report = lambda count: None,
) -> list[Finding]:
    """Examine a data set folder.

    Args:
        mano: folder that ``setup_mano.py`` wrote, for data sets with MANO's parameters.
        max_samples: read no more than that, in whole tracks chosen at random.
        seed: of the choice.
        report: called with numbers of samples read.

    Raises:
        ValueError: the folder is no finished data set, or ``mano`` holds no MANO.
    """
    reader = ShardReader(root)
    models = load_hand_models(reader.info, mano)
    table = collect(reader, max_samples=max_samples, seed=seed, report=report)
    return examine_table(table, models)


def examine_table(table: LabelTable, models: HandModels | None) -> list[Finding]:
    """Run all checks on labels that were read already."""
    if not len(table):
        return [check_records(table), check_camera_axes(table)]
    return [*(check(table) for check in CHECKS), *check_mano(table, models)]


def worst_status(findings: list[Finding]) -> Status:
    """Return the status of a whole examination; skipped checks do not count."""
    found = {finding.status for finding in findings}
    return next(s for s in (Status.FAILED, Status.WARNING, Status.OK) if s in found | {Status.OK})


def to_record(table: LabelTable, findings: list[Finding]) -> dict[str, Any]:
    """Return the result as JSON values, equal for equal data and arguments."""
    return {
        "dataset": table.info.name,
        "split": table.info.split,
        "num_samples": table.num_samples,
        "num_examined": len(table) + len(table.bad_records),
        "status": worst_status(findings).value,
        "findings": [finding.to_record() for finding in findings],
    }
