"""Check that keypoints come in the canonical order, by the bones that they make."""

from typing import NamedTuple

import numpy as np

from handvit.datasets.doctor.anatomy import KNOWN_ORDERS, bone_lengths, proportion_error
from handvit.datasets.doctor.finding import Finding, Status, grade, skipped, worst_ids
from handvit.datasets.doctor.label_table import MOST_KEYPOINTS, LabelTable

#: Spread of log(length / adult length) over the bones. Measured: 0.08 to 0.23 for real hands in the
#: right order, at most 0.29 for any drawn hand, 0.31 and more for every known wrong order. Between
#: the two limits the order is wrong if another fits better.
PLAUSIBLE_ERROR, MAX_ERROR = 0.3, 0.4
FAIL_ORDER = 0.01


class OrderFit(NamedTuple):
    """Hold how well the bones of M hands fit an adult's; see ``proportion_error``."""

    row: np.ndarray  # (M,) of the table
    canonical: np.ndarray  # (M,) error as stored
    others: np.ndarray  # (K, M) error after undoing each of ``KNOWN_ORDERS``

    @classmethod
    def of(cls, table: LabelTable) -> "OrderFit":
        """Compare all hands of which most keypoints are annotated."""
        row = np.flatnonzero(table.keypoints_cam_valid.sum(1) >= MOST_KEYPOINTS)
        keypoints = table.known_keypoints_cam[row]
        others = [
            proportion_error(bone_lengths(keypoints[:, list(order)]))
            for order in KNOWN_ORDERS.values()
        ]
        return cls(row, proportion_error(table.bone_length[row]), np.stack(others))

    @property
    def is_canonical(self) -> np.ndarray:
        """Whether bones are as they should be, or no other order fits better, (M,) bool."""
        is_best = (self.canonical <= self.others.min(0)) & (self.canonical <= MAX_ERROR)
        return is_best | (self.canonical <= PLAUSIBLE_ERROR)


def check_joint_order(table: LabelTable) -> Finding:
    """Compare the proportions of bones with an adult's in this order and in others' orders."""
    name = "joint_order"
    fit = OrderFit.of(table)
    if not len(fit.row):
        return skipped(name, f"no hand has {MOST_KEYPOINTS} 3D keypoints")
    is_wrong = ~fit.is_canonical
    share = is_wrong.mean()
    status = grade(share, warning=0, failure=FAIL_ORDER)
    hint = _hint(fit, is_wrong) if status is Status.FAILED else ""
    return Finding(
        name=name,
        status=status,
        sentence=(
            f"bones of {share:.1%} of the hands fit another keypoint order better than the"
            f" canonical one, or none (failure above {FAIL_ORDER:.0%}){hint}"
        ),
        worst=worst_ids(table.sample_id[fit.row], is_wrong * fit.canonical),
        numbers={"wrong_share": share, "proportion_error_median": np.median(fit.canonical)},
    )


def _hint(fit: OrderFit, is_wrong: np.ndarray) -> str:
    """Name the order that most of the wrong hands are in."""
    others = fit.others[:, is_wrong]
    if np.median(others.min(0)) > MAX_ERROR:
        return "; it is no order known here"
    return f"; it looks like: {list(KNOWN_ORDERS)[np.bincount(others.argmin(0)).argmax()]}"
