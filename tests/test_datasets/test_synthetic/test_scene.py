import numpy as np
import pytest
import torch

from handvit.datasets.synthetic.scene import (
    SceneLimits,
    rotation_to_ray,
    sample_camera,
    sample_motion,
)
from handvit.geometry.rotation import axis_angle_to_matrix

ONE_FRAME, TWO_SECONDS = np.zeros(1), np.arange(60) / 30


def _scenes(limits, times, count, seed=0):
    rng = np.random.default_rng(seed)
    for _ in range(count):
        camera = sample_camera(rng, limits)
        yield camera, sample_motion(rng, limits, camera, times)


def _seen(motion):
    """Where fingers, palm and thumb point, with the viewing ray along +z, (T, 3) each."""
    to_ray = axis_angle_to_matrix(rotation_to_ray(torch.from_numpy(motion.root_cam)))
    seen = (to_ray.transpose(1, 2) @ motion.global_orient).numpy()
    return -seen[..., 0], -seen[..., 1], seen[..., 2]


def test_cameras():
    cameras = [camera for camera, _ in _scenes(SceneLimits(), ONE_FRAME, 200)]
    focal = np.array([camera.focal for camera in cameras])
    size = np.array([camera.size for camera in cameras])
    princpt = np.array([camera.princpt for camera in cameras])
    assert focal.min() >= 300 and focal.max() <= 1500
    assert focal.min() < 350 and focal.max() > 1300
    view = 2 * np.degrees(np.arctan(size.max(1) / 2 / focal[:, 0]))
    assert view.min() > 39.5 and view.max() < 90.5 and np.ptp(view) > 40
    shift = (princpt - (size - 1) / 2) / size.max(1, keepdims=True)
    assert 0.01 < abs(shift).max() < 0.0205


def test_mirrored_camera_sees_the_mirror_image():
    camera = sample_camera(np.random.default_rng(0), SceneLimits())
    point = np.array([0.1, 0.05, 0.7])

    def project(camera, point):
        return camera.focal * point[:2] / point[2] + camera.princpt

    x, y = project(camera, point)
    mirrored = project(camera.mirrored(), point * [-1, 1, 1])
    np.testing.assert_allclose(mirrored, [camera.size[0] - 1 - x, y])


def test_limits_of_single_frames():
    limits = SceneLimits()
    motions = [motion for _, motion in _scenes(limits, ONE_FRAME, 300)]
    depth = np.array([motion.root_cam[0, 2] for motion in motions])
    assert depth.min() >= 0.2 and depth.max() <= 1.2
    assert depth.min() < 0.26 and depth.max() > 1.15
    palm = np.array([_seen(motion)[1][0] for motion in motions])
    tilt = np.degrees(np.arccos(abs(palm[:, 2])))
    assert tilt.max() <= 45 + 1e-6 and tilt.max() > 38
    assert 0.35 < (palm[:, 2] < 0).mean() < 0.65  # palm or back to the camera


def test_roll_of_a_hand_that_does_not_lean():
    limits = SceneLimits(max_tilt=0.0)
    fingers = np.array([_seen(motion)[0][0] for _, motion in _scenes(limits, ONE_FRAME, 200)])
    roll = np.degrees(np.arctan2(fingers[:, 0], -fingers[:, 1]))  # from the upward direction
    assert abs(roll).max() <= 35 + 1e-6 and roll.max() > 28 and roll.min() < -28


def test_right_thumb_is_at_the_right_of_a_palm():
    limits = SceneLimits(palm_fraction=1.0, max_tilt=0.0, max_roll=0.0)
    for _, motion in _scenes(limits, ONE_FRAME, 5):
        fingers, palm, thumb = _seen(motion)
        np.testing.assert_allclose(fingers[0], [0, -1, 0], atol=1e-9)  # up
        np.testing.assert_allclose(palm[0], [0, 0, -1], atol=1e-9)  # towards the camera
        np.testing.assert_allclose(thumb[0], [1, 0, 0], atol=1e-9)


def test_hands_are_off_centre():
    places = np.array(
        [
            (motion.root_cam[0, :2] - [0, 0.08])
            / motion.root_cam[0, 2]
            * camera.focal
            / (camera.size / 2)
            for camera, motion in _scenes(SceneLimits(), ONE_FRAME, 300)
        ]
    )  # -1 to 1 over the frame
    assert abs(places).max() < 1.1 and (places.std(0) > 0.45).all()


def test_sequences_move_within_the_limits():
    limits = SceneLimits()
    for camera, motion in _scenes(limits, TWO_SECONDS, 12):
        root = motion.root_cam
        assert root.shape == (60, 3)
        assert root[:, 2].min() >= 0.2 and root[:, 2].max() <= 1.2
        speed = np.linalg.norm(np.diff(root, axis=0), axis=1) * 30
        assert speed.max() <= limits.max_speed
        acceleration = np.linalg.norm(np.diff(root, 2, axis=0), axis=1) * 900
        assert acceleration.max() <= 2 * limits.max_speed / 0.4 + 1e-9
        tilt = np.degrees(np.arccos(abs(_seen(motion)[1][:, 2])))
        assert tilt.max() <= 45 + 1e-6
        middle = (root - [0, 0.08, 0])[:, :2] / root[:, 2:] * camera.focal + camera.princpt
        assert (middle > -1).all() and (middle < camera.size).all()


def test_smallest_turn_to_a_ray():
    points = torch.randn(5, 3, dtype=torch.float64) + torch.tensor([0, 0, 3.0])
    turned = axis_angle_to_matrix(rotation_to_ray(points))[..., 2]
    torch.testing.assert_close(turned, torch.nn.functional.normalize(points, dim=-1))
    assert rotation_to_ray(torch.tensor([0.0, 0, 2])).tolist() == [0, 0, 0]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"focal": (900.0, 300.0)}, r"focal: \(900.0, 300.0\)"),
        ({"depth": (0.1, 0.5)}, "depth: low end 0.1"),
        ({"field_of_view": (40.0, 150.0)}, "field_of_view: 150.0"),
        ({"max_tilt": -1.0}, "max_tilt: -1.0"),
        ({"occluder_fraction": 25.0}, "occluder_fraction: 25.0"),
    ],
)
def test_impossible_limits(values, message):
    with pytest.raises(ValueError, match=message):
        SceneLimits(**values)


def test_limits_without_any_scene(monkeypatch):
    """Half a minute of turning over right before the camera."""
    monkeypatch.setattr("handvit.datasets.synthetic.scene._MAX_ATTEMPTS", 20)
    limits = SceneLimits(depth=(0.16, 0.16), max_tilt=180.0)
    with pytest.raises(ValueError, match="no hand stays in front of the camera"):
        list(_scenes(limits, np.arange(900) / 30, 1))
