"""Write what an examination found as one HTML file with pictures."""

from collections.abc import Sequence
from html import escape

import cv2
import numpy as np

from handvit.datasets.doctor.examination import worst_status
from handvit.datasets.doctor.finding import Finding, Status
from handvit.datasets.doctor.histograms import label_histograms, plot_histograms
from handvit.datasets.doctor.label_table import LabelTable
from handvit.datasets.doctor.pictures import draw_sample
from handvit.datasets.shards.shard_reader import ShardReader
from handvit.visualization import HandReport, tile_images

_TILE, _COLUMNS = 256, 4
_JPEG_QUALITY = 85
_COLORS = {
    Status.OK: "#2e7d32",
    Status.SKIPPED: "#757575",
    Status.WARNING: "#b26a00",
    Status.FAILED: "#c62828",
}
_LEGEND = (
    "Coloured: 2D keypoints (thumb red to little finger violet). White, below: 3D keypoints"
    " projected by the stored camera, seen only where the two differ. Blue: the hand's box."
)


class DoctorReport(HandReport):
    """Add a table of findings to the parts that a report can have."""

    def add_findings(self, findings: Sequence[Finding]) -> None:
        """Add one row a check, the bad ones first."""
        rank = list(Status).index
        ranked = sorted(findings, key=lambda finding: -rank(finding.status))
        rows = "".join(_finding_row(finding) for finding in ranked)
        self._parts.append(f"<table><tr><th>check</th><th></th><th></th></tr>{rows}</table>")


def build_report(
    reader: ShardReader, table: LabelTable, findings: list[Finding], *, num_random: int, seed: int
) -> DoctorReport:
    """Lay out findings, histograms and pictures.

    Args:
        reader: of the data set that the table was read from; it gives the images.
        num_random: pictures besides those of the worst samples.
        seed: of their choice.
    """
    report = DoctorReport(f"{table.info.name} / {table.info.split}: {worst_status(findings).value}")
    report.add_text(
        f"{len(table)} of {table.num_samples} samples examined. Source: {table.info.source}"
    )
    report.add_findings(findings)
    report.add_heading("Distributions")
    report.add_picture(plot_histograms(label_histograms(table)), "hands by quantity")
    row_of = dict(zip(table.sample_id.tolist(), range(len(table)), strict=True))
    for finding in findings:
        if finding.worst and finding.status in (Status.WARNING, Status.FAILED):
            report.add_heading(f"Worst of {finding.name}")
            report.add_text(finding.sentence)
            rows = [row_of[sample_id] for sample_id in finding.worst]
            report.add_picture(_sheet(reader, table, rows), _LEGEND)
    if num_random and len(table):
        report.add_heading("At random")
        count = min(num_random, len(table))
        rows = np.random.default_rng(seed).choice(len(table), count, replace=False)
        report.add_picture(_sheet(reader, table, sorted(rows.tolist())), _LEGEND)
    return report


def _finding_row(finding: Finding) -> str:
    color = _COLORS[finding.status]
    return (
        f'<tr><td>{escape(finding.name)}</td><td style="color:{color};font-weight:bold">'
        f'{finding.status.value}</td><td style="text-align:left;white-space:normal">'
        f"{escape(finding.sentence)}</td></tr>"
    )


def _sheet(reader: ShardReader, table: LabelTable, rows: list[int]) -> bytes:
    """Draw rows of the table on one sheet, as an encoded JPEG."""
    samples = [reader.read_sample(int(table.row[row])) for row in rows]
    sheet = tile_images([draw_sample(s, size=_TILE) for s in samples], columns=_COLUMNS)
    options = [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY]
    return cv2.imencode(".jpg", cv2.cvtColor(sheet, cv2.COLOR_RGB2BGR), options)[1].tobytes()
