from dataclasses import replace

import numpy as np


def test_unknown_keypoints_are_nan(good_table):
    valid = good_table.keypoints_cam_valid.copy()
    valid[0, 6] = False
    table = replace(good_table, keypoints_cam_valid=valid)
    assert np.isnan(table.known_keypoints_cam[0, 6]).all()
    assert np.isfinite(table.known_keypoints_cam[1]).all()
    assert np.flatnonzero(np.isnan(table.bone_length[0])).tolist() == [5, 6]  # to it and from it


def test_extent_by_hand(good_table):
    keypoints = np.zeros((len(good_table), 21, 3), np.float32)
    keypoints[:, 3] = [3, 0, 0]
    keypoints[:, 8] = [0, -4, 0]
    table = replace(good_table, keypoints_cam=keypoints)
    assert table.extent[0] == 5
    valid = table.keypoints_cam_valid.copy()
    valid[0, 3] = False
    valid[1, :4] = False
    table = replace(table, keypoints_cam_valid=valid)
    assert table.extent[0] == 4 and np.isnan(table.extent[1])


def test_tracks_leave_out_the_frame(good_table):
    ids = ["a/s/c/0/left", "a/s/c/1/left", "a/s/c/1/right", "a/t/c/0/left"]
    table = replace(good_table, sample_id=np.array(ids))
    assert table.track.tolist() == [0, 0, 1, 2]
