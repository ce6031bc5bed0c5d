from dataclasses import replace

import numpy as np
import pytest

from handvit.datasets.doctor.reprojection import AXES, Cause, Reprojection


def test_good_hands_fit(good_table):
    fit = Reprojection.of(good_table)
    assert fit.row.tolist() == list(range(len(good_table)))
    assert fit.error.max() < 1e-2
    assert fit.share(Cause.FITS) == 1
    np.testing.assert_allclose(fit.focal_ratio, 1, atol=1e-3)
    np.testing.assert_allclose(fit.shift, 0, atol=1e-2)


def test_error_by_hand(good_table):
    """Move one keypoint of the first hand by 3, 4 px."""
    keypoints = good_table.keypoints_img.copy()
    keypoints[0, 7] += [3, 4]
    fit = Reprojection.of(replace(good_table, keypoints_img=keypoints))
    assert fit.error[0] == pytest.approx(5 / 21, abs=1e-3)
    np.testing.assert_allclose(fit.shift[0], [3 / 21, 4 / 21], atol=1e-3)


@pytest.mark.parametrize("axes", AXES)
def test_axes_are_told_apart(good_table, axes):
    """Turn the labels by the inverse of what repairs them."""
    keypoints = good_table.keypoints_cam.copy()
    keypoints[..., :2] = keypoints[..., :2] @ np.array(AXES[axes], np.float32)
    fit = Reprojection.of(replace(good_table, keypoints_cam=keypoints))
    assert fit.share(Cause.CAMERA_AXES) == 1
    assert {list(AXES)[number] for number in fit.axes} == {axes}


def test_causes_are_told_apart(good_table):
    shifted = Reprojection.of(replace(good_table, princpt=good_table.princpt - [2.5, 7.0]))
    assert shifted.share(Cause.PRINCIPAL_POINT) == 1
    np.testing.assert_allclose(shifted.shift, [[2.5, 7.0]] * len(good_table), atol=1e-2)

    zoomed = Reprojection.of(replace(good_table, focal=good_table.focal * [1.25, 0.8]))
    assert zoomed.share(Cause.FOCAL_LENGTH) == 1
    np.testing.assert_allclose(zoomed.focal_ratio, [[0.8, 1.25]] * len(good_table), atol=1e-3)

    noise = np.random.default_rng(0).normal(0, 4, good_table.keypoints_img.shape)
    noisy = Reprojection.of(replace(good_table, keypoints_img=good_table.keypoints_img + noise))
    assert noisy.share(Cause.UNKNOWN) == 1
    np.testing.assert_allclose(noisy.error.mean(), 4 * np.sqrt(np.pi / 2), rtol=0.03)


def test_neither_unit_nor_unknown_keypoints_matter(good_table):
    keypoints, valid = good_table.keypoints_cam * np.float32(1000), good_table.keypoints_cam_valid
    keypoints[:, 3], valid = 0, valid.copy()
    valid[:, 3] = False
    fit = Reprojection.of(replace(good_table, keypoints_cam=keypoints, keypoints_cam_valid=valid))
    assert fit.share(Cause.FITS) == 1


def test_hands_that_cannot_be_compared_are_left_out(good_table):
    camera_valid = good_table.camera_valid.copy()
    camera_valid[0] = False
    valid = good_table.keypoints_img_valid.copy()
    valid[1, :14] = False
    valid[2, :13] = False
    table = replace(good_table, camera_valid=camera_valid, keypoints_img_valid=valid)
    assert Reprojection.of(table).row[:2].tolist() == [2, 3]


def test_large_hands_may_be_less_exact(good_table):
    """One per cent of a box of 400 px is 4 px."""
    grown = replace(
        good_table,
        bbox_xyxy=np.array([[0.0, 0, 400, 400]] * len(good_table)),
        princpt=good_table.princpt + np.array([3, 0]),
    )
    assert Reprojection.of(grown).share(Cause.FITS) == 1
