from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from handvit.datasets.statistics.hand_measures import placed_hands, posed_hands

MIRROR = np.diag([-1.0, 1.0, 1.0])


def test_poses_are_those_of_the_mirrored_right_hand(make_samples, to_labels):
    samples = make_samples(8)
    hands = posed_hands(to_labels(samples))
    for sample, rotation, axis_angle in zip(samples, hands.rotation, hands.axis_angle, strict=True):
        joints = np.concatenate([sample.global_orient, sample.hand_pose]).reshape(16, 3)
        expected = Rotation.from_rotvec(joints).as_matrix()
        if not sample.is_right:
            expected = MIRROR @ expected @ MIRROR
        assert np.allclose(rotation, expected, atol=1e-12)
        vectors = Rotation.from_matrix(expected).as_rotvec()
        assert np.allclose(axis_angle, vectors.ravel(), atol=1e-12)
    assert np.array_equal(hands.betas, [sample.betas for sample in samples])


def test_places_by_hand(make_samples, to_labels):
    sample = make_samples(2)[1]  # left
    keypoints = np.full((21, 3), [0.3, 0.4, 1.2])
    keypoints[9:13, 0] = [0.0, 0.03, 0.01, 0.05]  # bones of 3, 2 and 4 cm
    sample = replace(
        sample,
        keypoints_cam=keypoints,
        focal=np.array([200.0, 50.0]),
        princpt=np.array([120.0, 60.0]),
        bbox_xyxy=np.array([100.0, 40.0, 180.0, 60.0]),  # centre (140, 50), 80 x 20
    )
    hands = placed_hands(to_labels([sample]))
    assert np.allclose(hands.root_cam, [[-0.3, 0.4, 1.2]])
    assert hands.distance == pytest.approx([1.3])
    assert hands.hand_size == pytest.approx([0.09])
    assert hands.prior == pytest.approx([100 / 40 * np.sqrt(0.1**2 + 0.2**2 + 1)])


def test_a_mirrored_scene_is_measured_the_same(make_samples, to_labels, mirrored):
    samples = make_samples(8)
    labels, other = to_labels(samples), to_labels([mirrored(sample) for sample in samples])
    for measure in (posed_hands, placed_hands):
        for ours, theirs in zip(measure(labels), measure(other), strict=True):
            assert np.allclose(ours, theirs, atol=1e-12)


def test_a_whole_turn_more_is_the_same_pose(make_samples, to_labels):
    sample = make_samples(1)[0]
    pose = sample.hand_pose.reshape(15, 3)
    length = np.linalg.norm(pose, axis=1, keepdims=True)
    turned = replace(sample, hand_pose=(pose * (1 - 2 * np.pi / length)).ravel())
    hands = posed_hands(to_labels([sample, turned]))
    assert np.allclose(*hands.axis_angle, atol=1e-12)


def test_what_is_not_annotated_is_left_out(make_samples, to_labels):
    samples = make_samples(6)
    samples[0].mano_valid = False
    samples[1].camera_valid = False
    samples[2].keypoints_cam_valid = np.arange(21) != 0
    samples[3].keypoints_cam_valid = np.arange(21) != 11  # a joint of the middle finger
    samples[4].keypoints_cam_valid = np.arange(21) != 4  # the tip of the thumb
    labels = to_labels(samples)
    assert np.array_equal(posed_hands(labels).betas, labels["betas"][1:])
    placed = placed_hands(labels)
    depths = [samples[i].keypoints_cam[0, 2] for i in (0, 3, 4, 5)]
    assert placed.root_cam[:, 2].tolist() == depths
    assert np.isnan(placed.hand_size).tolist() == [False, True, False, False]


@pytest.mark.parametrize("length", [0.0, 0.009])
def test_a_finger_without_length_is_named_by_its_sample(make_samples, to_labels, length):
    samples = make_samples(4)
    keypoints = samples[2].keypoints_cam
    keypoints[9:13] = keypoints[9] + np.linspace([0, 0, 0], [length, 0, 0], 4)
    message = rf"^{samples[2].sample_id}: keypoints_cam has a middle finger of {length:.3g} m; mark"
    with pytest.raises(ValueError, match=message):
        placed_hands(to_labels(samples))
    samples[2].keypoints_cam_valid = np.arange(21) != 10
    assert np.isnan(placed_hands(to_labels(samples)).hand_size).tolist() == [0, 0, 1, 0]


def test_none_at_all(make_samples, to_labels):
    sample = make_samples(1)[0]
    sample.mano_valid = sample.camera_valid = False
    labels = to_labels([sample])
    assert [len(values) for values in posed_hands(labels)] == [0, 0, 0]
    assert [len(values) for values in placed_hands(labels)] == [0, 0, 0]
