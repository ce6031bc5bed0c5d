from dataclasses import replace

import numpy as np
import pytest

from handvit.datasets.doctor.finding import Status
from handvit.datasets.doctor.label_checks import (
    check_boxes,
    check_duplicates,
    check_labels,
    check_records,
)
from handvit.datasets.doctor.label_table import BadRecord


def changed(table, name, rows, value):
    """Copy a table with some entries of a column set."""
    column = getattr(table, name).copy()
    column[rows] = value
    return replace(table, **{name: column})


def test_bad_records_are_reported(good_table):
    assert check_records(good_table).status is Status.OK
    bad = BadRecord("shard-000000.tar: key '5' (row 5): bad record", False)
    finding = check_records(replace(good_table, bad_records=(bad,)))
    assert finding.status is Status.FAILED
    assert "1 of 103 samples cannot be read" in finding.sentence
    assert bad.message in finding.sentence


def test_labels_are_counted(good_table):
    finding = check_labels(changed(good_table, "keypoints_cam_valid", slice(0, 51), False))
    assert finding.status is Status.OK
    assert finding.numbers["invalid_share/keypoints_cam"] == pytest.approx(0.5)
    assert finding.numbers["invalid_share/keypoints_img"] == 0


def test_mostly_unlabelled_data_are_a_warning(good_table):
    most = check_labels(changed(good_table, "mano_valid", slice(1, None), False))
    assert most.status is Status.WARNING
    none = check_labels(changed(good_table, "mano_valid", slice(None), False))
    assert none.status is Status.OK  # a data set without MANO


def test_samples_without_any_label_are_named(good_table):
    table = good_table
    for name in ("keypoints_cam_valid", "keypoints_img_valid", "mano_valid"):
        table = changed(table, name, [5], False)
    finding = check_labels(table)
    assert finding.status is Status.WARNING
    assert finding.worst == (table.sample_id[5],)
    for name in ("keypoints_cam_valid", "keypoints_img_valid", "mano_valid"):
        table = changed(table, name, slice(None), False)
    assert check_labels(table).status is Status.FAILED


def test_boxes_of_another_format_are_found(good_table):
    assert check_boxes(good_table).status is Status.OK
    xywh = good_table.bbox_xyxy.copy()
    xywh[:, 2:] -= xywh[:, :2]
    finding = check_boxes(replace(good_table, bbox_xyxy=xywh))
    assert finding.status is Status.FAILED


def test_boxes_outside_the_image_are_found(good_table):
    shift = np.float32([100, 0])
    table = replace(
        good_table,
        keypoints_img=good_table.keypoints_img + shift,
        bbox_xyxy=good_table.bbox_xyxy + np.tile(shift, 2),
    )
    finding = check_boxes(table)
    assert finding.status is Status.FAILED
    assert finding.numbers["outside_image_share"] == 1


def test_unknown_keypoints_lie_in_no_box(good_table):
    table = changed(good_table, "keypoints_img", slice(None), 1e6)
    assert check_boxes(table).status is Status.FAILED
    hidden = replace(table, keypoints_img_valid=np.zeros_like(table.keypoints_img_valid))
    assert check_boxes(hidden).status is Status.OK


def test_nothing_comes_twice(good_table):
    finding = check_duplicates(good_table)
    assert finding.status is Status.OK
    assert set(finding.numbers.values()) == {0}


def test_repeated_ids_are_found(good_table):
    table = changed(good_table, "sample_id", [7], good_table.sample_id[50])
    table = changed(table, "frame_time", [7], good_table.frame_time[50])
    finding = check_duplicates(table)
    assert finding.status is Status.FAILED
    assert finding.numbers["num_same_id"] == 1
    assert finding.worst == (good_table.sample_id[50],)


def test_repeated_times_are_found(good_table):
    row = np.flatnonzero(np.diff(good_table.track) == 0)[0]
    table = changed(good_table, "frame_time", [row + 1], good_table.frame_time[row])
    finding = check_duplicates(table)
    assert finding.status is Status.FAILED
    assert finding.numbers["num_same_time"] == 1
    assert finding.worst == (good_table.sample_id[row + 1],)


def test_repeated_pictures_are_found(good_table):
    table = changed(good_table, "image_digest", [3], good_table.image_digest[2])
    assert check_duplicates(table).status is Status.OK  # two hands in one picture
    table = changed(table, "bbox_xyxy", [3], good_table.bbox_xyxy[2] + 0.01)
    table = changed(table, "is_right", [3], good_table.is_right[2])
    finding = check_duplicates(table)
    assert finding.status is Status.WARNING
    assert finding.numbers["num_same_picture"] == 1
    table = changed(table, "image_digest", slice(0, 20), 0)
    table = changed(table, "bbox_xyxy", slice(0, 20), good_table.bbox_xyxy[2])
    assert check_duplicates(table).status is Status.FAILED
