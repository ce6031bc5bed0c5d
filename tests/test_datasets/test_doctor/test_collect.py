from dataclasses import replace

import numpy as np
import pytest

from handvit.datasets import ShardReader
from handvit.datasets.doctor import collect as collect_module
from handvit.datasets.doctor.collect import choose_rows, collect


def test_rows_come_in_whole_tracks():
    track = np.repeat(np.random.default_rng(0).permutation(20), 10)
    rows = choose_rows(track, max_samples=50, seed=0)
    assert len(rows) == 50 and (np.diff(rows) > 0).all()
    assert np.bincount(track[rows]).max() == 10 and len(np.unique(track[rows])) == 5
    assert choose_rows(track, max_samples=200, seed=0).tolist() == list(range(200))
    assert choose_rows(track, max_samples=50, seed=1).tolist() != rows.tolist()
    assert choose_rows(track, max_samples=50, seed=0).tolist() == rows.tolist()


def test_a_long_track_is_cut_after_its_beginning():
    assert choose_rows(np.zeros(100, int), max_samples=7, seed=3).tolist() == list(range(7))


def test_the_table_holds_what_the_samples_say(good_table, good_samples):
    assert len(good_table) == len(good_samples) == good_table.num_samples
    for place in (0, 50, 101):
        sample = good_samples[place]
        assert good_table.sample_id[place] == sample.sample_id
        for name in ("focal", "princpt", "bbox_xyxy", "image_size", "frame_time", "is_right"):
            np.testing.assert_array_equal(getattr(good_table, name)[place], getattr(sample, name))
        for name in ("keypoints_cam", "keypoints_img", "hand_pose", "mano_root_cam"):
            value = getattr(good_table, name)[place]
            np.testing.assert_allclose(value, getattr(sample, name), rtol=1e-6, atol=1e-6)
        assert good_table.crop_bbox_xyxy[place].tolist() == sample.extra["crop_bbox_xyxy"]
        assert good_table.frame_size[place].tolist() == sample.extra["frame_size"]
    assert len(np.unique(good_table.image_digest)) == len(good_table)


def test_hands_are_grouped_by_subject_or_else_by_sequence(good_samples, write):
    samples = [replace(good_samples[0], extra={"subject": 7}), *good_samples[1:2]]
    table = collect(ShardReader(write(samples)), max_samples=9, seed=0)
    side = samples[0].sample_id.rpartition("/")[2]
    _, sequence, _, _, other = samples[1].sample_id.split("/")
    assert table.group.tolist() == [f"synthetic/7/{side}", f"synthetic/{sequence}/{other}"]
    assert np.isnan(table.frame_size[0]).all() and np.isnan(table.crop_bbox_xyxy[0]).all()


def test_undecodable_images_are_noted(good_samples, write):
    samples = [*good_samples[:5], replace(good_samples[5], image=b"\xff\xd8\xff no image")]
    table = collect(ShardReader(write(samples)), max_samples=9, seed=0)
    assert len(table) == 5 and len(table.bad_records) == 1
    assert "key '000000000005' (row 5): image: 12 bytes" in table.bad_records[0].message
    assert not table.bad_records[0].is_behind_camera


def test_not_every_image_is_decoded(good_root, monkeypatch):
    sizes = []
    monkeypatch.setattr(collect_module, "MAX_DECODED", 10)
    monkeypatch.setattr(collect_module, "decode_image", lambda image, size: sizes.append(size))
    collect(ShardReader(good_root), max_samples=1000, seed=0)
    assert len(sizes) == 10


def test_progress_is_reported(good_root):
    counts = []
    collect(ShardReader(good_root), max_samples=30, seed=0, report=counts.append)
    assert counts == pytest.approx([1] * 30)
