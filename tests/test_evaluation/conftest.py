"""Hands to measure: a small world of moving hands with known errors."""

from collections.abc import Callable

import numpy as np
import pytest

from handvit.evaluation.ground_truth import GroundTruth

FRAMES_PER_SECOND = 30.0


def _make_truth(num_frames: int = 7, *, num_tracks: int = 3, seed: int = 0) -> GroundTruth:
    """Random smooth tracks; odd ones are left hands, all annotated."""
    rng = np.random.default_rng(seed)
    num_hands = num_frames * num_tracks
    time = np.tile(np.arange(num_frames) / FRAMES_PER_SECOND, num_tracks)
    track = np.repeat(np.arange(num_tracks), num_frames)
    is_right = track % 2 == 0
    phase = rng.uniform(0, 6, (num_tracks, 1, 3))[track] + 4 * time[:, None, None]
    hand = rng.normal(0, 0.05, (num_tracks, 21, 3))[track]
    hand[:, 0] = 0
    root = np.array([0.05, -0.02, 0.6]) + 0.1 * np.sin(phase)  # (N, 1, 3)
    sides = np.where(is_right, "right", "left")
    frames = np.tile(np.arange(num_frames), num_tracks)
    ids = [f"toy/s{t}/c0/{f:04d}/{s}" for t, f, s in zip(track, frames, sides, strict=True)]
    keypoints_cam = root + hand * np.where(is_right, 1.0, -1.0)[:, None, None]
    focal, princpt = np.full((num_hands, 2), 500.0), np.full((num_hands, 2), 127.5)
    image = keypoints_cam[..., :2] / keypoints_cam[..., 2:] * 500 + 127.5
    return GroundTruth(
        sample_id=np.array(ids),
        frame_time=time,
        is_right=is_right,
        bbox_xyxy=np.concatenate([image.min(axis=1), image.max(axis=1)], axis=-1),
        focal=focal,
        princpt=princpt,
        camera_valid=np.ones(num_hands, dtype=bool),
        keypoints_cam=keypoints_cam,
        keypoints_cam_valid=np.ones((num_hands, 21), dtype=bool),
    )


@pytest.fixture
def make_truth() -> Callable[..., GroundTruth]:
    return _make_truth


@pytest.fixture
def truth() -> GroundTruth:
    return _make_truth()
