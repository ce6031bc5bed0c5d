"""Check that 3D keypoints project to their pixels; name what is wrong where they do not."""

import numpy as np

from handvit.datasets.doctor.finding import Finding, Status, grade, skipped, worst_ids
from handvit.datasets.doctor.label_table import LabelTable
from handvit.datasets.doctor.reprojection import (
    AXES,
    MAX_ERROR,
    MAX_ERROR_SHARE,
    Cause,
    Reprojection,
)

#: Share of the hands that do not reproject.
FAIL_HANDS = 0.01
#: A principal point that is off by the same fraction of a pixel in all hands: px.
MIN_COMMON_SHIFT = 0.2
_NO_HANDS = "no hand has 3D and 2D keypoints and a known camera"


def check_reprojection(table: LabelTable) -> Finding:
    """Measure how far projected 3D keypoints lie from the annotated pixels."""
    name = "reprojection"
    fit = Reprojection.of(table)
    if not len(fit.row):
        return skipped(name, _NO_HANDS)
    share = 1 - fit.share(Cause.FITS)
    causes = {cause.value: fit.share(cause) for cause in Cause if cause is not Cause.FITS}
    return Finding(
        name=name,
        status=grade(share, warning=0, failure=FAIL_HANDS),
        sentence=(
            f"{share:.1%} of the hands project further from their pixels than {MAX_ERROR:g} px or"
            f" {MAX_ERROR_SHARE:.0%} of their box, the larger (failure above {FAIL_HANDS:.0%});"
            f" median error {np.median(fit.error):.3g} px"
            f"{_hint(causes) if share else ''}"
        ),
        worst=worst_ids(
            table.sample_id[fit.row],
            np.where(fit.error > fit.tolerance, fit.error / fit.tolerance, 0),
        ),
        numbers={
            "off_share": share,
            "error_median_px": np.median(fit.error),
            "error_95_px": np.percentile(fit.error, 95),
            "unexplained_share": fit.share(Cause.UNKNOWN),
        },
    )


def check_camera_axes(table: LabelTable) -> Finding:
    """Find hands that lie behind the camera, or that reproject with an axis flipped."""
    name = "camera_axes"
    fit = Reprojection.of(table)
    behind = sum(record.is_behind_camera for record in table.bad_records)
    if not len(fit.row) and not behind:
        return skipped(name, _NO_HANDS)
    is_flipped = fit.cause == Cause.CAMERA_AXES
    share = (is_flipped.sum() + behind) / (len(fit.row) + behind)
    hints = [f"{behind} hands lie behind the camera, z negative (OpenGL axes)"] * (behind > 0)
    if is_flipped.any():
        flip = list(AXES)[np.bincount(fit.axes[is_flipped]).argmax()]
        hints.append(f"they reproject with {flip}")
    return Finding(
        name=name,
        status=grade(share, warning=0, failure=FAIL_HANDS),
        sentence=(
            f"{share:.1%} of the hands have other axes than x right, y down, z forward (failure"
            f" above {FAIL_HANDS:.0%})" + "".join(f"; {hint}" for hint in hints)
        ),
        worst=worst_ids(table.sample_id[fit.row], is_flipped * fit.error),
        numbers={"wrong_share": share, "num_behind_camera": behind},
    )


def check_principal_point(table: LabelTable) -> Finding:
    """Find hands that reproject with another principal point, and a common sub-pixel offset."""
    name = "principal_point"
    fit = Reprojection.of(table)
    if not len(fit.row):
        return skipped(name, _NO_HANDS)
    is_shifted = fit.cause == Cause.PRINCIPAL_POINT
    share = is_shifted.mean()
    status = grade(share, warning=0, failure=FAIL_HANDS)
    judged = is_shifted if is_shifted.any() else fit.cause == Cause.FITS
    shift = np.median(fit.shift[judged], axis=0) if judged.any() else np.zeros(2)
    hint = ""
    if status is Status.OK and np.abs(shift).max() > MIN_COMMON_SHIFT:
        status = Status.WARNING
        hint = "; are pixel centres at integers, in the crop's camera too?"
    return Finding(
        name=name,
        status=status,
        sentence=(
            f"{share:.1%} of the hands reproject only with another principal point (failure above"
            f" {FAIL_HANDS:.0%}); the median is {shift[0]:+.2f}, {shift[1]:+.2f} px away (warning"
            f" above {MIN_COMMON_SHIFT} px){hint}"
        ),
        worst=worst_ids(table.sample_id[fit.row], is_shifted * fit.error),
        numbers={"shifted_share": share, "shift_x_px": shift[0], "shift_y_px": shift[1]},
    )


def check_focal_length(table: LabelTable) -> Finding:
    """Find hands that reproject with another focal length only."""
    name = "focal_length"
    fit = Reprojection.of(table)
    if not len(fit.row):
        return skipped(name, _NO_HANDS)
    is_wrong = fit.cause == Cause.FOCAL_LENGTH
    share = is_wrong.mean()
    ratio = np.median(fit.focal_ratio[is_wrong] if is_wrong.any() else fit.focal_ratio, axis=0)
    return Finding(
        name=name,
        status=grade(share, warning=0, failure=FAIL_HANDS),
        sentence=(
            f"{share:.1%} of the hands reproject only with another focal length (failure above"
            f" {FAIL_HANDS:.0%}), {ratio[0]:.3f} and {ratio[1]:.3f} times the stored one"
        ),
        worst=worst_ids(table.sample_id[fit.row], is_wrong * fit.error),
        numbers={"wrong_share": share, "ratio_x": ratio[0], "ratio_y": ratio[1]},
    )


def _hint(causes: dict[str, float]) -> str:
    likely = max(causes, key=causes.__getitem__)
    return f"; most of them for this cause: {likely}"
