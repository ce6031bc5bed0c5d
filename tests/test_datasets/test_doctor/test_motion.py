import numpy as np
import pytest

from handvit.datasets.doctor.anatomy import ADULT_EXTENT
from handvit.datasets.doctor.motion import TrackMotion


def oscillation(tracks, frequency, amplitude, period):
    """Let all keypoints of a rigid hand swing along x."""
    times = np.arange(tracks.shape[1]) * period
    swing = amplitude * np.sin(2 * np.pi * frequency * times)[None, :, None]
    keypoints = np.repeat(tracks[:, :1], tracks.shape[1], axis=1)
    keypoints[..., 0] += swing
    return keypoints


def test_samples_are_put_in_order(good_table, take_rows):
    shuffled = np.random.default_rng(0).permutation(len(good_table))
    motion = TrackMotion.of(take_rows(good_table, shuffled))
    expected = TrackMotion.of(good_table)
    assert motion.period == pytest.approx(1 / 30)
    assert motion.is_step.sum() == motion.is_even.sum() == 6 * 11
    assert motion.is_window.sum() == 6 * 8
    assert motion.spectrum().frequency == pytest.approx(expected.spectrum().frequency)


def test_missing_frames_interrupt(good_table, take_rows):
    keep = np.ones(len(good_table), bool)
    row = np.flatnonzero(np.diff(good_table.track) == 0)[5]
    keep[row] = False
    motion = TrackMotion.of(take_rows(good_table, keep))
    assert motion.is_step.sum() == motion.is_even.sum() + 1
    assert np.isnan(motion.step_length).sum() == (~motion.is_even).sum()


@pytest.mark.parametrize("frequency", [0.5, 1.0, 3.0])
def test_a_swing_has_its_frequency_and_speed(make_tracks, tracks, frequency):
    keypoints = oscillation(tracks, frequency, 0.05, 1 / 30)
    table = make_tracks(1 / 30, keypoints)
    spectrum = TrackMotion.of(table).spectrum()
    scale = ADULT_EXTENT / np.median(table.extent)
    omega = 2 * np.pi * frequency
    assert spectrum.frequency == pytest.approx(frequency, rel=0.03)
    assert spectrum.speed == pytest.approx(scale * 0.05 * omega / np.sqrt(2), rel=0.05)
    assert spectrum.acceleration == pytest.approx(scale * 0.05 * omega**2 / np.sqrt(2), rel=0.07)
    assert spectrum.turn_per_frame == pytest.approx(omega / 30, rel=0.03)


@pytest.mark.parametrize("noise", [0.001, 0.003])
def test_noise_is_told_from_motion(make_tracks, tracks, noise):
    clean = TrackMotion.of(make_tracks(1 / 30)).spectrum()
    jitter = noise * np.random.default_rng(0).standard_normal(tracks.shape)
    noisy = TrackMotion.of(make_tracks(1 / 30, tracks + jitter)).spectrum()
    scale = ADULT_EXTENT / np.median(make_tracks(1 / 30, tracks + jitter).extent)
    assert noisy.jitter == pytest.approx(scale * noise, rel=0.05)
    assert noisy.frequency == pytest.approx(clean.frequency, rel=0.4)
    assert noisy.square_2 > 5 * clean.square_2  # which is what it would be without the correction
    assert noisy.motion_share < clean.motion_share


def test_hands_of_any_unit_move_alike(make_tracks, tracks):
    metres = TrackMotion.of(make_tracks(1 / 30)).spectrum()
    millimetres = TrackMotion.of(make_tracks(1 / 30, 1000 * tracks)).spectrum()
    assert millimetres.speed == pytest.approx(metres.speed, rel=1e-3)


def test_hands_at_rest_have_no_frequency(make_tracks, tracks):
    still = TrackMotion.of(make_tracks(1 / 30, oscillation(tracks, 1, 0, 1 / 30))).spectrum()
    assert still.speed == 0
    assert np.isnan(still.frequency)


def test_single_frames_have_no_motion(make_tracks):
    motion = TrackMotion.of(make_tracks(1 / 30, every=150))
    assert not motion.is_step.any() and motion.spectrum() is None
    assert np.isnan(motion.period)
