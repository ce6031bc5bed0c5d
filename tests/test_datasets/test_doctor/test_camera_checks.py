from dataclasses import replace

import numpy as np
import pytest

from handvit.datasets.doctor.camera_checks import check_camera_center, check_field_of_view
from handvit.datasets.doctor.finding import Status


def full_frames(table, *, focal, princpt, size=(640, 480)):
    """Forget that the images are crops and give all of them one camera."""
    N = len(table)
    return replace(
        table,
        image_size=np.tile(np.array(size, float), (N, 1)),
        focal=np.tile(np.array(focal, float), (N, 1)),
        princpt=np.tile(np.array(princpt, float), (N, 1)),
        frame_size=np.full((N, 2), np.nan),
        crop_bbox_xyxy=np.full((N, 4), np.nan),
    )


def test_crops_are_judged_by_their_frames(good_table, good_samples):
    """The stored principal points lie far outside the crops, the frames' are near their middle."""
    assert (np.abs(good_table.princpt / good_table.image_size - 0.5).max(1) > 1).any()
    center, view = check_camera_center(good_table), check_field_of_view(good_table)
    assert (center.status, view.status) == (Status.OK, Status.OK)
    assert center.numbers["offset_max"] < 0.03  # the generator's limit is 0.02 a side
    expected = [
        np.degrees(2 * np.arctan(max(s.extra["frame_size"]) / 2 / s.extra["frame_focal"]))
        for s in good_samples
    ]
    assert view.numbers["view_median_deg"] == pytest.approx(np.median(expected), abs=0.05)


def test_a_camera_that_was_not_moved_with_the_crop_is_found(good_table):
    """Its focal length and centre are those of the frame, in px of the frame."""
    scale = good_table.image_size / np.diff(
        good_table.crop_bbox_xyxy.reshape(-1, 2, 2), axis=1
    ).squeeze(1)
    forgotten = (good_table.princpt + 0.5) / scale + good_table.crop_bbox_xyxy[:, :2] - 0.5
    finding = check_camera_center(replace(good_table, princpt=forgotten))
    assert finding.status is Status.FAILED
    assert finding.worst


@pytest.mark.parametrize(
    ("focal", "status"),
    [
        ((500, 500), Status.OK),
        ((100, 100), Status.FAILED),  # 145 degrees
        ((6000, 6000), Status.WARNING),  # 6 degrees: could be a crop
        ((500, 600), Status.WARNING),  # pixels that are not square
    ],
)
def test_fields_of_view(good_table, focal, status):
    table = full_frames(good_table, focal=focal, princpt=(319.5, 239.5))
    finding = check_field_of_view(table)
    assert finding.status is status
    longer, axis = max((640 / focal[0], 0), (480 / focal[1], 1))
    assert axis == 0
    assert finding.numbers["view_median_deg"] == pytest.approx(
        np.degrees(2 * np.arctan(longer / 2))
    )
    assert ("if the images are crops" in finding.sentence) == (status is not Status.OK)


@pytest.mark.parametrize(
    ("x", "offset", "status"),
    [(319.5, 0, Status.OK), (419.5, 100 / 640, Status.OK), (-80.5, 400 / 640, Status.WARNING)],
)
def test_centers_of_images_that_may_be_crops(good_table, x, offset, status):
    table = full_frames(good_table, focal=(500, 500), princpt=(x, 239.5))
    finding = check_camera_center(table)
    assert finding.status is status
    assert finding.numbers["offset_median"] == pytest.approx(offset)


@pytest.mark.parametrize("check", [check_camera_center, check_field_of_view])
def test_guessed_cameras_are_not_judged(good_table, check):
    table = replace(good_table, camera_valid=np.zeros(len(good_table), bool))
    assert check(table).status is Status.SKIPPED
