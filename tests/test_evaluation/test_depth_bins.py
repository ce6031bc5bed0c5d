import json
from dataclasses import replace

import numpy as np
import pytest

from handvit.evaluation.depth_bins import bin_by_depth


def test_bins_by_hand(make_truth):
    truth = make_truth(8, num_tracks=1)
    gt = truth.keypoints_cam.copy()
    gt[:, 0, 2] = [0.9, 0.1, 0.8, 0.2, 0.7, 0.3, 0.6, 0.4]
    pred = gt.copy()
    near = gt[:, 0, 2] < 0.5
    pred[near, 0] += [0.003, 0.0, -0.004]
    pred[~near, 0] += [0.0, 0.0, 0.010]
    bins = bin_by_depth(pred, replace(truth, keypoints_cam=gt))
    assert bins.edge == pytest.approx([0.1, 0.6, 0.9])
    assert bins.count.tolist() == [4, 4]
    assert bins.root_error == pytest.approx([0.005, 0.010])
    assert bins.depth_bias == pytest.approx([-0.004, 0.010])


def test_only_real_wrists_count(truth):
    camera_valid, valid = truth.camera_valid.copy(), truth.keypoints_cam_valid.copy()
    camera_valid[0], valid[1, 0] = False, False
    pred = truth.keypoints_cam.copy()
    pred[:2] += 1.0
    part = replace(truth, camera_valid=camera_valid, keypoints_cam_valid=valid)
    bins = bin_by_depth(pred, part, max_bins=3)
    assert bins.count.tolist() == [7, 6, 6]
    assert bins.root_error.max() == 0


def test_few_hands_make_one_bin(truth):
    few = truth.select(np.arange(3))
    assert bin_by_depth(few.keypoints_cam, few).count.tolist() == [3]


def test_no_wrist_is_an_error(truth):
    blind = replace(truth, camera_valid=np.zeros(21, dtype=bool))
    with pytest.raises(ValueError, match="none of 21 hands"):
        bin_by_depth(truth.keypoints_cam, blind)


def test_json_is_in_millimetres(truth):
    values = json.loads(json.dumps(bin_by_depth(truth.keypoints_cam + 0.01, truth).to_json()))
    assert values["depth_bias"] == pytest.approx([10.0] * 5)
    assert sum(values["count"]) == 21
