from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from handvit.datasets import ShardReader
from handvit.datasets.statistics import HandSurvey, share_out_of_range, survey_hands
from handvit.datasets.statistics.hand_measures import PlacedHands, PosedHands
from handvit.datasets.statistics.label_chunks import spaced_rows
from handvit.structures import HandStatistics

MIRROR = np.array([-1.0, 1.0, 1.0])
MIDDLE = [9, 10, 11, 12]


def reference(samples, weights):
    """The same statistics from samples in memory, without a line of the package's maths."""
    turns, rotations, roots, sizes, priors = [], [], [], [], []
    for sample in samples:
        vectors = np.concatenate([sample.global_orient, sample.hand_pose]).reshape(16, 3)
        vectors = vectors if sample.is_right else vectors * [1.0, -1.0, -1.0]
        turns.append(vectors.ravel())
        rotations.append(Rotation.from_rotvec(vectors))
        roots.append(sample.keypoints_cam[0] * (1.0 if sample.is_right else MIRROR))
        bones = np.diff(sample.keypoints_cam[MIDDLE], axis=0)
        sizes.append(np.linalg.norm(bones, axis=1).sum())
        x0, y0, x1, y1 = sample.bbox_xyxy
        ray = [*((np.array([x0 + x1, y0 + y1]) / 2 - sample.princpt) / sample.focal), 1.0]
        scale = np.sqrt(sample.focal.prod() / ((x1 - x0) * (y1 - y0)))
        priors.append(scale * np.linalg.norm(ray))
    turns, roots, sizes = np.array(turns), np.array(roots), np.array(sizes)
    by_hand, betas = roots / sizes[:, None], np.array([sample.betas for sample in samples])
    joints = [Rotation.concatenate([r[joint] for r in rotations]) for joint in range(16)]
    return {
        "pose_mean": [joint.mean(weights).as_rotvec() for joint in joints],
        **first_moments("pose", turns, weights, mean=False),
        **first_moments("betas", betas, weights),
        **first_moments("root", roots, weights),
        **first_moments("root_by_hand", by_hand, weights),
        "prior_scale": median(np.linalg.norm(roots, axis=1) / priors, weights),
        "prior_scale_by_hand": median(np.linalg.norm(by_hand, axis=1) / priors, weights),
    }


def first_moments(name, values, weights, mean=True):
    covariance = np.cov(values.T, aweights=weights, ddof=0)
    means = {f"{name}_mean": np.average(values, axis=0, weights=weights)} if mean else {}
    return {**means, f"{name}_covariance": covariance}


def median(values, weights):
    return np.quantile(values, 0.5, weights=weights, method="inverted_cdf")


def assert_same(statistics, expected, **tolerance):
    for name, value in expected.items():
        if name.startswith("prior_scale"):
            assert getattr(statistics, name) == pytest.approx(value, rel=0.0026), name  # half a bin
        else:
            assert np.allclose(getattr(statistics, name), value, **tolerance), name


def numbers_of(statistics):
    return {k: v for k, v in statistics.to_json().items() if k != "hand_model"}


def of(*readers, **options):
    return survey_hands(readers, **options).statistics()


def test_agrees_with_an_independent_computation(make_shards):
    reader = ShardReader(make_shards(num_tracks=4, num_frames=6))
    samples = [reader.read_sample(row) for row in range(24)]
    statistics = of(reader)
    assert_same(statistics, reference(samples, np.ones(24)), rtol=1e-7, atol=1e-9)
    assert statistics.hand_model == "openhand" and statistics.num_hands == 24
    assert HandStatistics.load(statistics.to_json()).to_json() == statistics.to_json()


def test_weights_make_the_distribution_that_training_draws(write_hands, make_samples):
    first, second = make_samples(12, seed=1), make_samples(30, seed=2)
    readers = write_hands(first, "first"), write_hands(second, "second")
    everything = reference([*first, *second], np.ones(42))
    assert_same(of(*readers), everything, rtol=1e-7, atol=1e-9)
    shares = np.repeat([3 / 12, 1 / 30], [12, 30])
    statistics = of(*readers, weights=[3, 1])
    assert_same(statistics, reference([*first, *second], shares), rtol=1e-7, atol=1e-9)
    assert_same(of(*readers, weights=[0.75, 0.25]), numbers_of(statistics), rtol=1e-10)


def test_a_data_set_of_mirrored_hands_gives_the_same(write_hands, make_samples, mirrored):
    samples = make_samples(20)
    right = [sample if sample.is_right else mirrored(sample) for sample in samples]
    left = [mirrored(sample) for sample in right]
    assert not any(sample.is_right for sample in left)
    statistics = of(write_hands(right, "right"))
    assert_same(of(write_hands(left, "left")), numbers_of(statistics), rtol=1e-10, atol=1e-12)


def test_what_is_not_annotated_does_not_count(write_hands, make_samples):
    good = make_samples(30)
    bad = make_samples(8, seed=5)
    for sample in bad:
        sample.betas = sample.betas + 100
        sample.hand_pose = sample.hand_pose + 1
        sample.keypoints_cam = sample.keypoints_cam * 9
        sample.mano_valid = sample.camera_valid = False
    bad[0].camera_valid, bad[0].keypoints_cam_valid = True, np.arange(21) != 0
    statistics = of(write_hands([*bad[:4], *good, *bad[4:]]))
    expected = of(write_hands(good, "good"))
    assert_same(statistics, numbers_of(expected), rtol=1e-10, atol=1e-12)


def test_hands_without_a_size_have_a_place(write_hands, make_samples):
    samples = make_samples(30)
    for sample in samples[:10]:
        sample.keypoints_cam = sample.keypoints_cam + np.array([0, 0, 2])
        sample.keypoints_cam_valid = np.arange(21) != 12
    survey = survey_hands([write_hands(samples)])
    assert (survey.root.num_added, survey.hand_size.num_added) == (30, 20)
    sized = of(write_hands(samples[10:], "sized"))
    found = survey.statistics()
    assert np.allclose(found.root_by_hand_mean, sized.root_by_hand_mean)
    assert found.prior_scale_by_hand == pytest.approx(sized.prior_scale_by_hand)
    assert found.root_mean[2] > sized.root_mean[2] + 0.5


def test_a_tiny_box_does_not_move_the_prior(write_hands, make_samples):
    samples = make_samples(30)
    tiny = make_samples(1, seed=7)[0]
    tiny.bbox_xyxy = np.array([50.0, 50.0, 51.0, 51.0])
    clean, survey = of(write_hands(samples, "clean")), survey_hands([write_hands([*samples, tiny])])
    found = survey.statistics()
    assert found.prior_scale == pytest.approx(clean.prior_scale, rel=0.03)
    assert found.prior_scale_by_hand == pytest.approx(clean.prior_scale_by_hand, rel=0.03)
    assert share_out_of_range(survey.log_scale) == pytest.approx(1 / 31)
    assert share_out_of_range(survey.log_scale_by_hand) == pytest.approx(1 / 31)


def test_priors_and_who_does_not_fit_them_by_hand():
    """Hands 1.5 m away, whose boxes deviate from the median's by known factors."""
    log_ratio = np.array([-0.8, -0.6, -0.5, -0.4, 0.0, 0.0, 0.3, 0.4, 0.65, 0.85])
    distance, size = np.full(10, 1.5), np.linspace(0.08, 0.1, 10)
    root_cam, prior = distance[:, None] * [0, 0.6, 0.8], distance / np.exp(log_ratio)
    metres, sizes = HandSurvey("openhand"), HandSurvey("openhand")
    metres.add_placed(PlacedHands(root_cam, prior / 0.13, size), 1.0)
    sizes.add_placed(PlacedHands(root_cam, prior / size / 1.6, size), 1.0)
    assert np.exp(metres.log_scale.quantile(0.5)) == pytest.approx(0.13, rel=0.0026)
    assert np.exp(sizes.log_scale_by_hand.quantile(0.5)) == pytest.approx(1.6, rel=0.0026)
    assert share_out_of_range(metres.log_scale) == pytest.approx(0.2)
    assert share_out_of_range(sizes.log_scale_by_hand) == pytest.approx(0.2)


def test_limits_hold_nearly_all_angles_with_some_room(write_hands, make_samples):
    samples = make_samples(40)
    for sample in samples:
        sample.hand_pose[5] = 0.25  # y of a left hand has the other sign
        sample.hand_pose[3] = 0.25
    statistics = of(write_hands(samples))
    pose = np.array([s.hand_pose.reshape(15, 3) for s in samples])
    pose[[not s.is_right for s in samples]] *= [1, -1, -1]
    low, high = pose.min(0), pose.max(0)  # of 40 hands none lies in the tails
    room = 0.05 * (high - low)
    room[1, 0] = 0.1
    assert np.allclose(statistics.pose_low, low - room, atol=1.5e-3)
    assert np.allclose(statistics.pose_high, high + room, atol=1.5e-3)
    assert np.allclose((statistics.pose_high - statistics.pose_low)[1, 0], 0.2)


def test_tails_are_cut():
    angles = np.full((2100, 48), 0.01)
    angles[7], angles[9] = 1.5, -1.5  # one of 2100 at either end
    survey = HandSurvey("openhand")
    survey.add_posed(PosedHands(np.tile(np.eye(3), (2100, 16, 1, 1)), angles, angles[:, :10]), 1.0)
    places = np.random.default_rng(0).normal(1, 0.1, (20, 5))
    survey.add_placed(PlacedHands(places[:, :3], places[:, 3], places[:, 4]), 1.0)
    statistics = survey.statistics()
    assert (np.abs([statistics.pose_low, statistics.pose_high]) < 0.2).all()
    assert np.allclose(statistics.pose_mean[1:], 0, atol=1e-9)


def test_few_hands_are_spread_over_the_data_set(write_hands, make_samples):
    samples = make_samples(33)
    counted = []
    statistics = of(write_hands(samples), num_hands=11, report=counted.append)
    expected = of(write_hands([samples[row] for row in spaced_rows(33, 11)], "third"))
    assert_same(statistics, numbers_of(expected), rtol=1e-10)
    assert sum(counted) == 11


def test_a_data_set_without_poses_counts_for_the_place(write_hands, make_samples):
    with_mano, without = make_samples(12), make_samples(20, seed=3)
    for sample in without:
        sample.mano_valid = False
    readers = write_hands(with_mano, "mano"), write_hands(without, "keypoints", None)
    statistics = of(*readers)
    assert statistics.num_hands == 12 and statistics.hand_model == "openhand"
    both = reference([*with_mano, *without], np.ones(32))
    alone = reference(with_mano, np.ones(12))
    assert np.allclose(statistics.root_mean, both["root_mean"])
    assert np.allclose(statistics.betas_mean, alone["betas_mean"])


def test_data_sets_that_cannot_be_measured_are_named(write_hands, make_samples):
    samples = make_samples(12)
    ours, mano = write_hands(samples, "ours"), write_hands(samples, "theirs", "mano")
    with pytest.raises(ValueError, match=r"hand_model: .*ours': 'openhand', .*theirs': 'mano'"):
        of(ours, mano)
    for sample in samples:
        sample.mano_valid = False
    one, two = write_hands(samples, "one", None), write_hands(samples, "two", None)
    with pytest.raises(ValueError, match=r"/one, \S*/two: no MANO labels \(hand_model is null"):
        of(one, two)
    with pytest.raises(ValueError, match="only 0 hands with MANO labels, want 10 or more"):
        of(write_hands(samples, "empty"))
    with pytest.raises(ValueError, match=r"only 2 hands with MANO labels"):
        of(ours, num_hands=2)


def test_places_and_sizes_are_needed_too(write_hands, make_samples):
    samples = make_samples(12)
    for sample in samples[3:]:
        sample.keypoints_cam_valid = np.arange(21) != 10
    with pytest.raises(ValueError, match="only 3 hands with these and the middle finger's"):
        of(write_hands(samples))
    for sample in samples:
        sample.camera_valid = False
    with pytest.raises(ValueError, match="only 0 hands with a real camera and a 3D wrist"):
        of(write_hands(samples, "guessed"))


@pytest.mark.parametrize(
    ("weights", "message"),
    [([1], "1 numbers for 2 data sets"), ([1, 0], "must be positive"), ([1, np.nan], "positive")],
)
def test_wrong_weights(make_shards, weights, message):
    reader = ShardReader(make_shards())
    with pytest.raises(ValueError, match=f"weights: .*{message}"):
        of(reader, reader, weights=weights)


def test_a_mean_over_all_directions_is_still_a_rotation(write_hands, make_samples):
    """Rotations whose mean matrix has a negative determinant."""
    samples = [replace(sample, is_right=True) for sample in make_samples(1) * 30]
    halves = np.pi * np.eye(3)  # half turns about the axes: their mean is -identity / 3
    for i, sample in enumerate(samples):
        tilt = Rotation.from_rotvec([0.1, 0.2, 0.3]) if i % 3 == 0 else Rotation.identity()
        turned = tilt * Rotation.from_rotvec(halves[i % 3])
        samples[i] = replace(sample, hand_pose=np.tile(turned.as_rotvec(), 15))
    statistics = of(write_hands(samples))
    mean = Rotation.from_rotvec(statistics.pose_mean[1])
    rotations = Rotation.from_rotvec([sample.hand_pose[:3] for sample in samples])
    expected = rotations.mean()
    assert np.allclose((mean * expected.inv()).magnitude(), 0, atol=1e-6)
