from dataclasses import replace

import cv2
import numpy as np

from handvit.datasets.doctor.pictures import PROJECTION_COLOR, draw_sample


def near(picture, color):
    return (np.abs(picture.astype(int) - color).sum(-1) < 30).sum()


def test_a_sample_is_drawn_with_its_labels(good_samples):
    drawn = draw_sample(good_samples[0], size=200)
    assert drawn.shape == (200, 200, 3) and drawn.dtype == np.uint8
    bare = draw_sample(
        replace(good_samples[0], keypoints_img_valid=np.zeros(21, bool), camera_valid=False),
        size=200,
    )
    assert (drawn != bare).any(-1).sum() > 200


def test_projected_keypoints_show_where_they_differ(good_samples):
    sample = good_samples[0]
    black = replace(sample, image=_black(sample))
    moved = replace(black, princpt=sample.princpt + 15)
    right, wrong = draw_sample(black, size=200), draw_sample(moved, size=200)
    assert near(wrong, PROJECTION_COLOR) > near(right, PROJECTION_COLOR) + 200


def test_guessed_cameras_are_not_drawn(good_samples):
    sample = replace(good_samples[0], camera_valid=False)
    moved = replace(sample, princpt=sample.princpt + 15)
    assert (draw_sample(sample, size=96) == draw_sample(moved, size=96)).all()


def test_images_that_do_not_decode_are_gray(good_samples):
    drawn = draw_sample(replace(good_samples[0], image=b"\xff\xd8\xff"), size=96)
    assert near(drawn, (128, 128, 128)) > 96 * 96 / 8


def _black(sample):
    width, height = sample.image_size
    return cv2.imencode(".png", np.zeros((height, width, 3), np.uint8))[1].tobytes()
