import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from handvit.datasets.converters.freihand.mano import MANO_SHAPE, place_mano, rigid_fit
from handvit.hand_models.hand_pair import HandPair

HANDS = HandPair.load("openhand", fingertips="freihand")


@pytest.fixture(scope="module")
def hand(make_world):
    return make_world(sides=("right",), world_is_camera=True, fingertips="freihand").hands[1][
        "right"
    ]


def entry_of(hand, *, turn=(0.0, 0.0, 0.0)):
    """A row of training_mano.json, whose root rotation may be a little off."""
    orient = Rotation.from_rotvec(turn) * Rotation.from_rotvec(hand.global_orient)
    pose = hand.hand_pose - HANDS.asset(True).hands_mean
    row = np.concatenate([orient.as_rotvec(), pose, hand.betas, [100.0, 120.0, 0.03]])
    return row.reshape(MANO_SHAPE)


@pytest.mark.parametrize("turn", [(0.0, 0.0, 0.0), (0.02, -0.03, 0.01), (0.0, 3.0, 0.0)])
def test_the_hand_lands_on_its_mesh(hand, turn):
    mano, gap = place_mano(entry_of(hand, turn=turn), hand.vertices, HANDS)
    assert gap < 1e-6
    np.testing.assert_allclose(mano.root, hand.root, atol=1e-6)
    np.testing.assert_allclose(mano.global_orient, hand.global_orient, atol=1e-5)
    np.testing.assert_allclose(mano.hand_pose, hand.hand_pose, atol=1e-6)
    mesh = HANDS.pose(True, **mano._asdict())
    np.testing.assert_allclose(mesh.vertices, hand.vertices, atol=1e-6)


def test_the_gap_is_what_remains(hand):
    rng = np.random.default_rng(0)
    noise = rng.normal(0, 0.001, (778, 3))
    _, gap = place_mano(entry_of(hand), hand.vertices + noise, HANDS)
    assert gap == pytest.approx(np.linalg.norm(noise, axis=-1).mean(), rel=0.01)


def test_the_mean_pose_is_added_once(hand):
    twice = entry_of(hand)
    twice[0, 3:48] += HANDS.asset(True).hands_mean
    assert place_mano(twice, hand.vertices, HANDS)[1] > 0.005


def test_rigid_fit_recovers_a_motion():
    rng = np.random.default_rng(0)
    source = rng.normal(size=(10, 3))
    rotation, translation = Rotation.from_rotvec([0.3, -2.0, 0.5]).as_matrix(), np.array([1, 2, 3])
    found = rigid_fit(source, source @ rotation.T + translation)
    np.testing.assert_allclose(found[0], rotation, atol=1e-12)
    np.testing.assert_allclose(found[1], translation, atol=1e-12)


def test_rigid_fit_of_equal_points_is_the_identity():
    points = np.random.default_rng(0).normal(size=(5, 3))
    rotation, translation = rigid_fit(points, points)
    np.testing.assert_allclose(rotation, np.eye(3), atol=1e-12)
    np.testing.assert_allclose(translation, 0, atol=1e-12)


def test_rigid_fit_neither_mirrors_nor_scales():
    points = np.random.default_rng(0).normal(size=(5, 3))
    rotation, translation = rigid_fit(points, 2 * points * [-1, 1, 1] + 7)
    assert np.linalg.det(rotation) == pytest.approx(1)
    np.testing.assert_allclose(rotation @ rotation.T, np.eye(3), atol=1e-12)
    expected = (2 * points * [-1, 1, 1] + 7).mean(0) - rotation @ points.mean(0)
    np.testing.assert_allclose(translation, expected)


def test_rigid_fit_by_hand():
    """A quarter turn about z, then a step along x."""
    source = np.array([[0.0, 0, 0], [1, 0, 0], [0, 2, 0], [0, 0, 3]])
    target = np.array([[5.0, 0, 0], [5, 1, 0], [3, 0, 0], [5, 0, 3]])
    rotation, translation = rigid_fit(source, target)
    np.testing.assert_allclose(rotation, [[0, -1, 0], [1, 0, 0], [0, 0, 1]], atol=1e-12)
    np.testing.assert_allclose(translation, [5, 0, 0], atol=1e-12)
