"""Check what is there: readable records, annotated labels, boxes, and samples that come twice."""

import numpy as np

from handvit.datasets.doctor.finding import Finding, Status, grade, skipped, worst_ids
from handvit.datasets.doctor.label_table import LabelTable

WARN_INVALID = 0.5
#: Keypoints may lie outside a box by this part of its side: boxes of masks and detectors are not
#: those of the keypoints.
_BOX_MARGIN = 0.25
#: A hand is lost if more of its keypoints than this lie outside its box.
_MAX_OUTSIDE = 0.25
FAIL_BOXES = 0.02
FAIL_PICTURES = 0.01


def check_records(table: LabelTable) -> Finding:
    """Report samples that cannot be read or break the contract."""
    count = len(table.bad_records)
    first = f"; the first: {table.bad_records[0].message}" if count else ""
    return Finding(
        name="records",
        status=grade(count, warning=0, failure=0),
        sentence=f"{count} of {count + len(table)} samples cannot be read (failure above 0){first}",
        numbers={"num_bad": count, "num_read": len(table)},
    )


def check_labels(table: LabelTable) -> Finding:
    """Count what is annotated."""
    shares = {
        "keypoints_img": 1 - table.keypoints_img_valid.mean(),
        "keypoints_cam": 1 - table.keypoints_cam_valid.mean(),
        "camera": 1 - table.camera_valid.mean(),
        "mano": 1 - table.mano_valid.mean(),
    }
    missing = ~(table.keypoints_img_valid.any(1) | table.keypoints_cam_valid.any(1))
    missing &= ~table.mano_valid
    partly = [name for name, share in shares.items() if WARN_INVALID < share < 1]
    status = Status.WARNING if partly or missing.any() else Status.OK
    if missing.all():
        status = Status.FAILED
    return Finding(
        name="labels",
        status=status,
        sentence=(
            "not annotated: "
            + ", ".join(f"{share:.1%} of {name}" for name, share in shares.items())
            + f" (warning between {WARN_INVALID:.0%} and 100%); {missing.mean():.1%} of the"
            " samples have no label at all"
        ),
        worst=worst_ids(table.sample_id, missing.astype(float)),
        numbers={
            **{f"invalid_share/{name}": share for name, share in shares.items()},
            "unlabelled_share": missing.mean(),
        },
    )


def check_boxes(table: LabelTable) -> Finding:
    """Check that boxes hold their keypoints and meet their image: xywh for xyxy, wrong scale."""
    name = "boxes"
    low, high = table.bbox_xyxy[:, None, :2], table.bbox_xyxy[:, None, 2:]
    margin = _BOX_MARGIN * (high - low).max(-1, keepdims=True)
    points, valid = table.keypoints_img, table.keypoints_img_valid
    is_outside = ((points < low - margin) | (points > high + margin)).any(-1) & valid
    outside = is_outside.sum(1) / np.maximum(valid.sum(1), 1)  # (N,)
    middle = table.bbox_xyxy.reshape(-1, 2, 2).mean(1)
    misses_image = ((middle < -0.5) | (middle > table.image_size - 0.5)).any(1)
    is_lost = (outside > _MAX_OUTSIDE) | misses_image
    return Finding(
        name=name,
        status=grade(is_lost.mean(), warning=0, failure=FAIL_BOXES),
        sentence=(
            f"{is_lost.mean():.1%} of the boxes miss {_MAX_OUTSIDE:.0%} of their keypoints or have"
            f" their middle outside the image (failure above {FAIL_BOXES:.0%})"
        ),
        worst=worst_ids(table.sample_id, is_lost * (outside + misses_image)),
        numbers={"lost_share": is_lost.mean(), "outside_image_share": misses_image.mean()},
    )


def check_duplicates(table: LabelTable) -> Finding:
    """Find samples that come twice: by id, by time in a track, by picture and box."""
    if not len(table):
        return skipped("duplicates", "no sample was read")
    same_id = _repeated(table.sample_id)
    same_time = _repeated(_pairs(table.track, table.frame_time)) & ~same_id
    boxes = table.bbox_xyxy.round()
    same_picture = _repeated(_pairs(table.image_digest, table.is_right, *boxes.T)) & ~same_id
    share = same_picture.mean()
    status = grade(share, warning=0, failure=FAIL_PICTURES)
    if same_id.any() or same_time.any():
        status = Status.FAILED
    return Finding(
        name="duplicates",
        status=status,
        sentence=(
            f"{same_id.sum()} samples repeat an id, {same_time.sum()} the time of another frame of"
            f" their track (failure above 0), {same_picture.sum()} the same hand in the same"
            f" picture (failure above {FAIL_PICTURES:.0%} of all)"
        ),
        worst=worst_ids(table.sample_id, 3.0 * same_id + 2.0 * same_time + same_picture),
        numbers={
            "num_same_id": same_id.sum(),
            "num_same_time": same_time.sum(),
            "num_same_picture": same_picture.sum(),
        },
    )


def _pairs(*columns: np.ndarray) -> np.ndarray:
    """Join columns to one array of comparable rows, (N,)."""
    return np.rec.fromarrays(columns)


def _repeated(values: np.ndarray) -> np.ndarray:
    """Mark all entries but the first of each value, (N,) -> (N,) bool."""
    _, first = np.unique(values, return_index=True)
    is_repeated = np.ones(len(values), bool)
    is_repeated[first] = False
    return is_repeated
