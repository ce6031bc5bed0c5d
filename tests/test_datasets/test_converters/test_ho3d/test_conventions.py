import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from handvit.datasets.converters.ho3d.conventions import (
    mano_in_camera,
    to_camera,
    to_keypoints,
)
from handvit.hand_models.hand_pair import HandPair
from handvit.structures.skeleton import KEYPOINT_NAMES

FLIP = np.array([1.0, -1.0, -1.0])
HANDS = HandPair.load("openhand")


@pytest.fixture(scope="module")
def hand(make_world):
    return make_world(sides=("right",), world_is_camera=True).hands[1]["right"]


@pytest.fixture(scope="module")
def meta(hand):
    """MANO's parameters in OpenGL axes."""
    orient = Rotation.from_matrix(np.diag(FLIP)) * Rotation.from_rotvec(hand.global_orient)
    return {
        "handPose": np.concatenate([orient.as_rotvec(), hand.hand_pose]),
        "handTrans": FLIP * hand.root - (hand.root - hand.transl),
        "handBeta": hand.betas,
    }


def test_opengl_axes_become_opencv():
    np.testing.assert_array_equal(to_camera(np.array([[1.0, 2.0, -3.0]])), [[1.0, -2.0, 3.0]])


def test_every_joint_lands_on_its_name():
    fingers = ("index", "middle", "pinky", "ring", "thumb")
    tips = ("thumb4", "index4", "middle4", "ring4", "pinky4")
    names = ("wrist", *(f"{finger}{i}" for finger in fingers for i in (1, 2, 3)), *tips)
    joints = np.zeros((21, 3))
    joints[:, 0] = [KEYPOINT_NAMES.index(name) for name in names]
    np.testing.assert_array_equal(to_keypoints(joints)[:, 0], np.arange(21))
    np.testing.assert_array_equal(
        to_keypoints(np.stack([joints, 0 * joints]))[0, :, 0], np.arange(21)
    )


def test_parameters_pose_the_same_mesh(hand, meta):
    mano = mano_in_camera(meta, HANDS.asset(True))
    np.testing.assert_allclose(mano.root, hand.root, atol=1e-12)
    np.testing.assert_array_equal(mano.hand_pose, hand.hand_pose)  # no mean pose is added
    mesh = HANDS.pose(True, **mano._asdict())
    np.testing.assert_allclose(mesh.vertices, hand.vertices, atol=1e-9)


def test_parameters_of_the_raw_axes_pose_the_raw_mesh(hand, meta):
    """Guard the test above: the label file itself describes the mesh in OpenGL axes."""
    mesh = HANDS.pose(
        True,
        global_orient=meta["handPose"][:3],
        hand_pose=meta["handPose"][3:],
        betas=hand.betas,
        root=meta["handTrans"] + hand.root - hand.transl,
    )
    np.testing.assert_allclose(mesh.vertices, FLIP * hand.vertices, atol=1e-9)


def test_translation_alone_would_be_centimetres_off(hand, meta):
    """``F transl`` is not MANO's translation in OpenCV axes: it lacks (F - 1) J0."""
    assert 0.015 < np.linalg.norm(FLIP * meta["handTrans"] - hand.transl) < 0.02
