import json
from dataclasses import replace

import cv2
import numpy as np

from handvit.datasets.doctor.histograms import label_histograms, plot_histograms


def test_every_hand_is_counted(good_table):
    histograms = label_histograms(good_table)
    for edges, counts in histograms.values():
        assert counts.sum() == len(good_table)
        assert len(edges) == len(counts) + 1 and (np.diff(edges) > 0).all()
    sides = histograms["side: 0 left, 1 right"].counts
    assert sides.tolist() == [(~good_table.is_right).sum(), good_table.is_right.sum()]
    assert histograms["annotated 2D keypoints"].counts[21] == len(good_table)


def test_one_wild_label_does_not_stretch_the_bins(good_table, take_rows):
    keypoints = good_table.keypoints_cam.copy()
    keypoints[0, :, 2] = 1e6
    rows = np.append(0, np.tile(np.arange(1, len(good_table)), 4))
    table = take_rows(replace(good_table, keypoints_cam=keypoints), rows)
    depth = label_histograms(table)["wrist depth / m"]
    assert depth.edges[-1] < 2
    assert depth.counts.sum() == 405


def test_what_is_not_annotated_is_empty(good_table):
    valid = np.zeros_like(good_table.keypoints_cam_valid)
    histograms = label_histograms(replace(good_table, keypoints_cam_valid=valid))
    assert histograms["wrist depth / m"].counts.sum() == 0
    assert plot_histograms(histograms).startswith(b"\x89PNG")


def test_records_are_json(good_table):
    record = {name: h.to_record() for name, h in label_histograms(good_table).items()}
    assert json.loads(json.dumps(record, allow_nan=False)) == record


def test_histograms_are_plotted(good_table):
    png = plot_histograms(label_histograms(good_table))
    picture = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_COLOR)
    assert picture.shape == (520, 1100, 3) and picture.std() > 5
