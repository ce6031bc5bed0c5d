"""Check that cameras are ones that exist: field of view, and where the principal point lies."""

import numpy as np

from handvit.datasets.doctor.finding import Finding, Status, grade, skipped, worst_ids
from handvit.datasets.doctor.label_table import LabelTable

#: Degrees along the longer side of a frame. Studio cameras of InterHand2.6M see 15 to 25, a
#: pinhole image of more than 140 would be stretched beyond use.
MIN_VIEW, MAX_VIEW = 8.0, 140.0
#: Principal point from the middle of the frame, in sides of the frame; 0.5 is its border.
WARN_OFFSET, FAIL_OFFSET = 0.2, 0.5
#: Pixels that are not square by more than this are a resize that forgot one axis.
MAX_ASPECT = 1.1
FAIL_CAMERAS = 0.01
_UNKNOWN = "no camera is known"
_MAYBE_CROPS = (
    "; if the images are crops, store extra['crop_bbox_xyxy'] and extra['frame_size'] to have the"
    " camera checked"
)


def check_field_of_view(table: LabelTable) -> Finding:
    """Compare focal length and size of the full frame."""
    name = "field_of_view"
    known = table.camera_valid
    if not known.any():
        return skipped(name, _UNKNOWN)
    size, focal, _ = _frame_cameras(table)
    view = np.degrees(2 * np.arctan((size / focal).max(1) / 2))  # (M,)
    aspect = np.abs(np.log(focal[:, 0] / focal[:, 1]))
    is_crop = np.isfinite(table.frame_size[known, 0])
    is_impossible = (view > MAX_VIEW) | (is_crop & (view < MIN_VIEW))
    is_odd = (view < MIN_VIEW) | (aspect > np.log(MAX_ASPECT))
    share = is_impossible.mean()
    status = grade(share, warning=0, failure=FAIL_CAMERAS)
    if status is Status.OK and is_odd.mean() > FAIL_CAMERAS:
        status = Status.WARNING
    hint = _MAYBE_CROPS if status is not Status.OK and not is_crop.all() else ""
    return Finding(
        name=name,
        status=status,
        sentence=(
            f"frames see {np.median(view):.0f} degrees (median; {view.min():.0f} to"
            f" {view.max():.0f}); {share:.1%} are outside {MIN_VIEW:g} to {MAX_VIEW:g} (failure"
            f" above {FAIL_CAMERAS:.0%}), {is_odd.mean():.1%} odd or not square{hint}"
        ),
        worst=worst_ids(table.sample_id[known], (is_impossible | is_odd) * (1 + aspect)),
        numbers={
            "view_median_deg": np.median(view),
            "view_min_deg": view.min(),
            "view_max_deg": view.max(),
            "impossible_share": share,
            "odd_share": is_odd.mean(),
        },
    )


def check_camera_center(table: LabelTable) -> Finding:
    """Find principal points outside the frame: a crop's camera that was not moved with the crop."""
    name = "camera_center"
    known = table.camera_valid
    if not known.any():
        return skipped(name, _UNKNOWN)
    size, _, princpt = _frame_cameras(table)
    offset = np.abs(princpt - (size - 1) / 2).max(1) / size.max(1)  # (M,) sides
    is_crop = np.isfinite(table.frame_size[known, 0])
    outside = (offset > FAIL_OFFSET) & is_crop
    status = grade(outside.mean(), warning=0, failure=FAIL_CAMERAS)
    odd_share = (offset > WARN_OFFSET).mean()
    if status is Status.OK and odd_share > FAIL_CAMERAS:
        status = Status.WARNING
    hint = _MAYBE_CROPS if status is not Status.OK and not is_crop.all() else ""
    return Finding(
        name=name,
        status=status,
        sentence=(
            f"principal points lie {np.median(offset):.2f} sides of the frame from its middle"
            f" (median); {odd_share:.1%} beyond {WARN_OFFSET} (a warning), {outside.mean():.1%}"
            f" beyond {FAIL_OFFSET} in frames of known size (failure above"
            f" {FAIL_CAMERAS:.0%}){hint}"
        ),
        worst=worst_ids(table.sample_id[known], np.where(offset > WARN_OFFSET, offset, 0)),
        numbers={
            "offset_median": np.median(offset),
            "offset_max": offset.max(),
            "outside_share": outside.mean(),
            "odd_share": odd_share,
        },
    )


def _frame_cameras(table: LabelTable) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return size, focal and principal point of the full frames of known cameras, (M, 2) px each.

    A crop of ``[x0, x1]`` was resized by ``s``, which maps ``x`` to ``s (x - x0) - 0.5``.
    """
    known = table.camera_valid
    image_size, focal, princpt = table.image_size[known], table.focal[known], table.princpt[known]
    crop = table.crop_bbox_xyxy[known]
    scale = image_size / (crop[:, 2:] - crop[:, :2])
    is_crop = np.isfinite(crop[:, :1])
    return (
        np.where(is_crop, table.frame_size[known], image_size),
        np.where(is_crop, focal / scale, focal),
        np.where(is_crop, (princpt + 0.5) / scale + crop[:, :2], princpt),
    )
