from dataclasses import replace

import numpy as np
import pytest

from handvit.datasets.doctor.finding import Status
from handvit.datasets.doctor.motion_checks import (
    check_frame_rate,
    check_frame_spacing,
    check_temporal_jumps,
)


@pytest.mark.parametrize("every", [1, 2, 3, 6])
def test_true_rates_are_fine(make_tracks, every):
    """30 frames a second, and what is left of them at 15, 10 and 5."""
    finding = check_frame_rate(make_tracks(every / 30, every=every))
    assert finding.status is Status.OK
    assert finding.numbers["frames_per_second"] == pytest.approx(30 / every)
    assert 0.4 < finding.numbers["frequency_hz"] < 1.0


@pytest.mark.parametrize(
    ("factor", "words"),
    [(6, "too slowly"), (1000, "too slowly"), (1 / 4, "too fast"), (1 / 1000, "too fast")],
)
def test_false_rates_are_found(make_tracks, factor, words):
    finding = check_frame_rate(make_tracks(factor / 30))
    assert finding.status is Status.FAILED
    assert f"frame_time runs {words}: wrong fps" in finding.sentence


def test_5_frames_a_second_called_30_are_found(make_tracks):
    finding = check_frame_rate(make_tracks(1 / 30, every=6))
    assert finding.status is Status.FAILED


def swinging(tracks, amplitude):
    """Let rigid hands swing three times a second, at 30 frames a second."""
    keypoints = np.repeat(tracks[:, :1], 150, axis=1)
    keypoints[..., 0] += amplitude * np.sin(2 * np.pi * 3 * np.arange(150) / 30)[:, None]
    return keypoints


def test_frames_far_apart_in_a_fast_motion_are_a_warning(make_tracks, tracks):
    """By 3 cm that is odd for a whole data set, but possible."""
    finding = check_frame_rate(make_tracks(1 / 30, swinging(tracks, 0.03)))
    assert finding.status is Status.WARNING
    assert "do not use speeds of these tracks" in finding.sentence


def test_quick_corrections_of_a_resting_hand_are_fine(make_tracks, tracks):
    finding = check_frame_rate(make_tracks(1 / 30, swinging(tracks, 0.003)))
    assert finding.status is Status.OK
    assert finding.numbers["frequency_hz"] > 2.5


@pytest.mark.parametrize("noise", [0.001, 0.003])
def test_noisy_labels_of_a_true_rate_are_fine(make_tracks, tracks, noise):
    jitter = noise * np.random.default_rng(0).standard_normal(tracks.shape)
    assert check_frame_rate(make_tracks(1 / 30, tracks + jitter)).status is Status.OK


def test_what_cannot_be_judged_is_skipped(make_tracks, tracks):
    still = np.repeat(tracks[:, :1], 150, axis=1)
    assert "hands rest" in check_frame_rate(make_tracks(1 / 30, still)).sentence
    few = make_tracks(1 / 30, tracks[:2, :10])
    assert check_frame_rate(few).status is Status.SKIPPED
    single = make_tracks(1 / 30, every=150)
    for check in (check_frame_rate, check_frame_spacing, check_temporal_jumps):
        assert check(single).status is Status.SKIPPED


def test_missing_frames_are_a_warning(make_tracks):
    table = make_tracks(1 / 30)
    assert check_frame_spacing(table).status is Status.OK
    times = table.frame_time.copy()
    times[20:150] += 1.0
    one_gap = check_frame_spacing(replace(table, frame_time=times))
    assert one_gap.status is Status.OK
    assert one_gap.worst == (table.sample_id[20],)
    assert one_gap.numbers["longest_step_s"] == pytest.approx(1 + 1 / 30)
    times[:750] *= 2  # half of the tracks have another rate
    assert check_frame_spacing(replace(table, frame_time=times)).status is Status.WARNING


def test_drawn_motion_has_no_jumps(make_tracks, good_table):
    for table in (make_tracks(1 / 30), make_tracks(1 / 5, every=6), good_table):
        finding = check_temporal_jumps(table)
        assert finding.status is Status.OK
        assert finding.numbers["jump_share"] == 0


@pytest.mark.parametrize(("period", "every"), [(1 / 30, 1), (1 / 5, 6)])
def test_a_frame_that_sticks_out_is_found(make_tracks, tracks, period, every):
    keypoints = tracks.copy()
    keypoints[3, 60, 8] += [0.0, 0.0, 1.0]
    table = make_tracks(period, keypoints, every=every)
    finding = check_temporal_jumps(table)
    assert finding.status is Status.WARNING
    assert f"moving/seq3/cam0/{60 // every:06d}/right" in finding.worst


def test_a_track_that_teleports_is_found(make_tracks, tracks):
    keypoints = tracks.copy()
    keypoints[3, 60:] += [0.5, 0.0, 0.0]
    finding = check_temporal_jumps(make_tracks(1 / 30, keypoints))
    assert finding.status is Status.WARNING
    assert finding.worst == ("moving/seq3/cam0/000060/right",)
    assert finding.numbers["fastest_m_per_s"] > 10


def test_many_jumps_are_a_failure(make_tracks, tracks):
    keypoints = tracks.copy()
    keypoints[:, ::20] += [0.0, 0.0, 0.3]
    assert check_temporal_jumps(make_tracks(1 / 30, keypoints)).status is Status.FAILED
