"""Check that MANO's parameters give the annotated keypoints, and that the mean pose is in once."""

import numpy as np

from handvit.datasets.doctor.finding import Finding, Status, grade, skipped, worst_ids
from handvit.datasets.doctor.label_table import LabelTable
from handvit.datasets.doctor.posed_hands import HandModels, PosedHands

#: Metres, mean over keypoints. InterHand2.6M reports fits of some 5 mm; other joint regressors and
#: finger tips add a few.
TYPICAL_GAP, MAX_GAP = 0.008, 0.015
#: Share of the hands beyond ``MAX_GAP``; fits of real data sets have outliers.
FAIL_HANDS = 0.05
#: A pose with one mean less or more must fit this much better to be the right one, and the stored
#: one be off by this much, metres.
_MUCH_BETTER, _MIN_GAP = 0.6, 0.002
_SETUP = "give the folder that tools/misc/setup_mano.py wrote"


def check_mano(table: LabelTable, models: HandModels | None) -> list[Finding]:
    """Run both checks, or say why they cannot be run."""
    names = ("mano_gap", "mean_pose")
    if table.info.hand_model is None:
        return [skipped(name, "the data set has no MANO parameters") for name in names]
    if models is None:
        reason = f"the parameters are MANO's and MANO is not given; {_SETUP}"
        return [skipped(name, reason) for name in names]
    posed = PosedHands.of(table, models)
    if not len(posed.row):
        return [skipped(name, "no hand has MANO parameters and 3D keypoints") for name in names]
    return [mano_gap(table, posed), mean_pose(table, posed)]


def mano_gap(table: LabelTable, posed: PosedHands) -> Finding:
    """Measure the distance between MANO's keypoints and the annotated ones."""
    median, centred = np.median(posed.gap), np.median(posed.gap_as_stored)
    is_off = posed.gap > MAX_GAP
    status = grade(is_off.mean(), warning=FAIL_HANDS / 5, failure=FAIL_HANDS)
    if status is Status.OK and median > TYPICAL_GAP:
        status = Status.WARNING
    return Finding(
        name="mano_gap",
        status=status,
        sentence=(
            f"{is_off.mean():.1%} of {len(posed.row)} posed hands lie more than"
            f" {1000 * MAX_GAP:g} mm from their keypoints (failure above {FAIL_HANDS:.0%}); median"
            f" {1000 * median:.3g} mm (warning above {1000 * TYPICAL_GAP:g} mm),"
            f" {1000 * centred:.3g} mm without their offset{_gap_hint(status, centred)}"
        ),
        worst=worst_ids(table.sample_id[posed.row], is_off * posed.gap),
        numbers={
            "off_share": is_off.mean(),
            "gap_median_m": median,
            "gap_95_m": np.percentile(posed.gap, 95),
            "gap_centred_median_m": centred,
            "gap_median_right_m": _median(posed.gap[table.is_right[posed.row]]),
            "gap_median_left_m": _median(posed.gap[~table.is_right[posed.row]]),
            "num_posed": len(posed.row),
        },
    )


def mean_pose(table: LabelTable, posed: PosedHands) -> Finding:
    """Find poses that fit with the mean pose taken off or added: it is in twice, or never."""
    name = "mean_pose"
    gaps = np.stack([posed.gap_as_stored, posed.gap_minus_mean, posed.gap_plus_mean])  # (3, M)
    if np.median(gaps.min(0)) > MAX_GAP:
        return skipped(name, "most hands fit neither with nor without the mean pose; see mano_gap")
    stored, *others = gaps
    twice, never = ((g < MAX_GAP) & (g < _MUCH_BETTER * stored) for g in others)
    twice, never = twice & (stored > _MIN_GAP), never & (stored > _MIN_GAP)
    is_wrong = twice | never
    status = grade(is_wrong.mean(), warning=FAIL_HANDS / 5, failure=FAIL_HANDS)
    cause = "was added twice" if twice.sum() > never.sum() else "was never added"
    return Finding(
        name=name,
        status=status,
        sentence=(
            f"{twice.mean():.1%} of the poses fit much better less the mean pose,"
            f" {never.mean():.1%} plus it (failure above {FAIL_HANDS:.0%})"
            + (f"; the mean pose {cause}" if status is Status.FAILED else "")
        ),
        worst=worst_ids(table.sample_id[posed.row], is_wrong * stored),
        numbers={
            "twice_share": twice.mean(),
            "never_share": never.mean(),
            "gap_as_stored_m": np.median(stored),
            "gap_minus_mean_m": np.median(posed.gap_minus_mean),
            "gap_plus_mean_m": np.median(posed.gap_plus_mean),
        },
    )


def _gap_hint(status: Status, centred: float) -> str:
    if status is not Status.FAILED:
        return ""
    if centred < TYPICAL_GAP:
        return "; shapes fit: mano_root_cam is no wrist (MANO's transl instead?)"
    return "; for the cause see mean_pose, units, joint_order, handedness and camera_axes"


def _median(values: np.ndarray) -> float:
    return float(np.median(values)) if len(values) else np.nan
