"""Check that hands bend their fingers the way their side does."""

import numpy as np

from handvit.datasets.doctor.anatomy import right_handedness
from handvit.datasets.doctor.finding import Finding, Status, grade, skipped, worst_ids
from handvit.datasets.doctor.joint_order_check import OrderFit
from handvit.datasets.doctor.label_table import LabelTable

#: Mean sine of the outer finger joints above which a hand counts as bent. People bend them the
#: other way by less: the joints stop at a few degrees, and label noise averages out.
MIN_BEND = 0.15
MIN_BENT_HANDS = 5
WARN_WRONG, FAIL_WRONG = 0.002, 0.02
#: Above this share the whole data set is mirrored or swapped, not single labels.
_ALL = 0.8


def check_handedness(table: LabelTable) -> Finding:
    """Compare the 3D hand with its declared side: swapped sides, mirrored axes."""
    name = "handedness"
    fit = OrderFit.of(table)
    known = fit.row[fit.is_canonical]  # in another order, fingers are not fingers
    score = right_handedness(table.known_keypoints_cam[known])  # (M,)
    bend = np.where(table.is_right[known], score, -score)
    is_bent = np.abs(np.nan_to_num(bend)) > MIN_BEND
    if is_bent.sum() < MIN_BENT_HANDS:
        return skipped(name, f"fewer than {MIN_BENT_HANDS} hands in the right joint order bend")
    is_wrong = is_bent & (bend < 0)
    share = is_wrong.sum() / is_bent.sum()
    status = grade(share, warning=WARN_WRONG, failure=FAIL_WRONG)
    return Finding(
        name=name,
        status=status,
        sentence=(
            f"{share:.1%} of {is_bent.sum()} bent hands bend like a hand of the other side"
            f" (warning above {WARN_WRONG:.1%}, failure above {FAIL_WRONG:.0%})"
            f"{_hint(share) if status is Status.FAILED else ''}"
        ),
        worst=worst_ids(table.sample_id[known], np.where(is_wrong, -bend, 0)),
        numbers={
            "wrong_share": share,
            "num_bent": is_bent.sum(),
            "wrong_share_right": _share(is_wrong, is_bent & table.is_right[known]),
            "wrong_share_left": _share(is_wrong, is_bent & ~table.is_right[known]),
        },
    )


def _hint(share: float) -> str:
    if share > _ALL:
        return "; left and right are swapped, or one camera axis is mirrored"
    return "; some sides are swapped, see the worst"


def _share(part: np.ndarray, whole: np.ndarray) -> float:
    return float((part & whole).sum() / whole.sum()) if whole.any() else np.nan
