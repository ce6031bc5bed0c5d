"""Find out what is wrong with a data set: units, axes, order, sides, cameras, poses, times."""

from handvit.datasets.doctor.examination import examine
from handvit.datasets.doctor.finding import Finding, Status

__all__ = ["Finding", "Status", "examine"]
