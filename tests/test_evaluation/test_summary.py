from dataclasses import replace

import numpy as np
import pytest

from handvit.evaluation.summary import VertexErrors, summarize, summarize_data_sets

OFFSET = np.array([0.003, -0.004, 0.012])  # |OFFSET| = 13 mm


def test_perfect_predictions(truth):
    metrics = summarize(truth.keypoints_cam, truth)
    assert metrics["num_hands"] == 21
    assert metrics["auc_cam"] == metrics["auc_rel"] == pytest.approx(1.0)
    lengths = {k: v for k, v in metrics.items() if not k.startswith(("auc", "num"))}
    assert set(lengths) == {
        "mpjpe_cam", "mpjpe_rel", "pa_mpjpe", "root_error", "root_error_x", "root_error_y",
        "root_error_z", "accel_error",
    }  # fmt: skip
    assert max(lengths.values()) < 1e-9


def test_a_shift_is_an_absolute_error_only(truth):
    metrics = summarize(truth.keypoints_cam + OFFSET, truth)
    assert metrics["mpjpe_cam"] == pytest.approx(13.0)
    assert metrics["root_error"] == pytest.approx(13.0)
    axes = [metrics[f"root_error_{axis}"] for axis in "xyz"]
    assert axes == pytest.approx([3.0, 4.0, 12.0])
    assert metrics["mpjpe_rel"] < 1e-9 and metrics["pa_mpjpe"] < 1e-9
    assert metrics["accel_error"] < 1e-9


def test_a_larger_hand_is_a_relative_error_only(truth):
    root = truth.keypoints_cam[:, :1]
    metrics = summarize(root + 1.1 * (truth.keypoints_cam - root), truth)
    expected = 0.1 * np.linalg.norm(truth.keypoints_cam - root, axis=-1).mean() * 1000
    assert metrics["mpjpe_rel"] == pytest.approx(expected)
    assert metrics["mpjpe_cam"] == pytest.approx(expected)
    assert metrics["root_error"] < 1e-9 and metrics["pa_mpjpe"] < 1e-9


def test_means_run_over_valid_keypoints(truth):
    valid = truth.keypoints_cam_valid.copy()
    valid[0, 1:] = False
    pred = truth.keypoints_cam.copy()
    pred[0] += OFFSET
    metrics = summarize(pred, replace(truth, keypoints_cam_valid=valid))
    assert metrics["mpjpe_cam"] == pytest.approx(13.0 / (1 + 20 * 21))


def test_hands_without_a_wrist_have_no_relative_error(truth):
    valid = truth.keypoints_cam_valid.copy()
    valid[3, 0] = False
    gt = truth.keypoints_cam.copy()
    gt[3, 0] = 0.0  # what an annotation that lacks the wrist holds
    metrics = summarize(
        truth.keypoints_cam, replace(truth, keypoints_cam=gt, keypoints_cam_valid=valid)
    )
    assert metrics["mpjpe_rel"] < 1e-9 and metrics["root_error"] < 1e-9
    assert metrics["mpjpe_cam"] < 1e-9 and metrics["pa_mpjpe"] < 1e-9
    assert metrics["accel_error"] < 1e-9


def test_guessed_cameras_count_for_relative_errors_only(truth):
    camera_valid = truth.camera_valid.copy()
    camera_valid[:7] = False
    pred = truth.keypoints_cam.copy()
    pred[:7] += OFFSET
    metrics = summarize(pred, replace(truth, camera_valid=camera_valid))
    assert metrics["mpjpe_cam"] < 1e-9 and metrics["root_error"] < 1e-9

    nowhere = summarize(pred, replace(truth, camera_valid=np.zeros(21, dtype=bool)))
    assert set(nowhere) == {"mpjpe_rel", "pa_mpjpe", "auc_rel", "auc_pa", "num_hands"}


def test_acceleration_by_hand(truth):
    """One frame off by 13 mm in the middle of a track of seven: errors 13, 26, 13, 0, 0."""
    pred = truth.keypoints_cam.copy()
    pred[2] += OFFSET
    assert summarize(pred, truth)["accel_error"] == pytest.approx((13 + 26 + 13) / 15)


def test_acceleration_ignores_the_order_of_rows(truth):
    rng = np.random.default_rng(0)
    pred = truth.keypoints_cam + rng.normal(0, 0.01, truth.keypoints_cam.shape)
    order = rng.permutation(21)
    shuffled = summarize(pred[order], truth.select(order))
    assert shuffled["accel_error"] == pytest.approx(summarize(pred, truth)["accel_error"])


def test_acceleration_skips_gaps(truth):
    keep = np.arange(21) != 10  # the middle frame of the second track
    part = truth.select(keep)
    pred = part.keypoints_cam.copy()
    pred[10] += OFFSET  # right after the gap: counts at its own two even neighbours only
    # the second track keeps the triples (7, 8, 9) and (11, 12, 13)
    assert summarize(pred, part)["accel_error"] == pytest.approx(13.0 / 12)


def test_single_frames_have_no_acceleration(make_truth):
    truth = make_truth(2)
    assert "accel_error" not in summarize(truth.keypoints_cam, truth)


def test_vertex_metrics_average_hands_with_a_mesh(truth):
    valid = np.zeros(21, dtype=bool)
    valid[:2] = True
    errors = VertexErrors(
        cam=np.linspace(0.01, 0.21, 21),
        rel=np.full(21, 0.002),
        aligned=np.full(21, 0.001),
        valid=valid,
    )
    camera_valid = truth.camera_valid.copy()
    camera_valid[1] = False
    metrics = summarize(truth.keypoints_cam, replace(truth, camera_valid=camera_valid), errors)
    assert metrics["mpvpe_cam"] == pytest.approx(10.0)
    assert metrics["mpvpe_rel"] == pytest.approx(2.0)
    assert metrics["pa_mpvpe"] == pytest.approx(1.0)
    nothing = summarize(truth.keypoints_cam, truth, errors._replace(valid=np.zeros(21, dtype=bool)))
    assert "mpvpe_cam" not in nothing and "pa_mpvpe" not in nothing


def test_float32_predictions_are_measured_in_float64(truth):
    metrics = summarize((truth.keypoints_cam + OFFSET).astype(np.float32), truth)
    assert metrics["mpjpe_cam"] == pytest.approx(13.0, abs=1e-4)


def test_nothing_to_evaluate_is_an_error(truth):
    with pytest.raises(ValueError, match="no hand to evaluate"):
        summarize(np.zeros((0, 21, 3)), truth.select(np.zeros(21, dtype=bool)))
    unlabelled = replace(truth, keypoints_cam_valid=np.zeros((21, 21), dtype=bool))
    with pytest.raises(ValueError, match="none of the 21 hands has a 3D keypoint"):
        summarize(truth.keypoints_cam, unlabelled)


def test_a_diverged_model_is_an_error(truth):
    pred = truth.keypoints_cam.copy()
    pred[5, 3, 1] = np.nan
    with pytest.raises(ValueError, match=r"1 of 21 .* 'toy/s0/c0/0005/right'"):
        summarize(pred, truth)


def test_a_wrong_number_of_predictions_is_an_error(truth):
    with pytest.raises(ValueError, match="21 hands"):
        summarize(truth.keypoints_cam[:20], truth)


def test_each_of_several_data_sets_is_measured_for_itself(truth):
    second = np.arange(len(truth)) >= 14
    ids = [
        name.replace("toy", "new") if new else name
        for name, new in zip(truth.sample_id, second, strict=True)
    ]
    mixed = replace(truth, sample_id=np.array(ids))
    pred = truth.keypoints_cam + OFFSET * second[:, None, None]
    errors = np.where(second, 0.02, 0.01)
    vertices = VertexErrors(errors, errors, errors, np.ones(len(truth), bool))
    found = summarize_data_sets(pred, mixed, vertices)
    assert found["new/mpjpe_cam"] == pytest.approx(13.0)
    assert found["toy/mpjpe_cam"] < 1e-9
    assert found["mpjpe_cam"] == pytest.approx(13.0 / 3)
    assert (found["toy/num_hands"], found["new/num_hands"]) == (14, 7)
    assert (found["toy/mpvpe_cam"], found["new/mpvpe_cam"]) == pytest.approx((10.0, 20.0))


def test_one_data_set_is_not_measured_twice(truth):
    assert summarize_data_sets(truth.keypoints_cam, truth) == summarize(truth.keypoints_cam, truth)


def test_a_data_set_without_3d_labels_is_left_out(truth):
    second = np.arange(len(truth)) >= 14
    ids = [
        name.replace("toy", "flat") if new else name
        for name, new in zip(truth.sample_id, second, strict=True)
    ]
    valid = truth.keypoints_cam_valid & ~second[:, None]
    mixed = replace(truth, sample_id=np.array(ids), keypoints_cam_valid=valid)
    found = summarize_data_sets(truth.keypoints_cam, mixed)
    assert "toy/mpjpe_cam" in found and not any(name.startswith("flat/") for name in found)
