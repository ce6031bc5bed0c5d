import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from handvit.datasets.converters.hot3d.labels import HandShapes, label_hand
from handvit.datasets.converters.hot3d.records import HandRecord, ManoRecord, Rigid, UmeTrackRecord
from handvit.hand_models.hand_pair import HandPair
from handvit.structures import HandSample

CAMERA_FROM_WORLD = Rigid(
    Rotation.from_rotvec([0.5, -1.2, 0.8]).as_matrix(), np.array([0.1, 0.2, 0.7])
)
WORLD_FROM_WRIST = Rigid(
    Rotation.from_rotvec([0.2, 0.1, -0.4]).as_matrix(), np.array([0.0, 0.1, -0.1])
)


@pytest.fixture(scope="module")
def pair():
    return HandPair.load("openhand")


@pytest.fixture(scope="module")
def mano():
    rng = np.random.default_rng(2)
    return ManoRecord(rng.normal(0, 0.5, 15), rng.normal(0, 1, 3), rng.normal(0, 0.1, 3))


@pytest.fixture(scope="module")
def shapes(truth, umetrack_profile):
    betas = truth.hands[0]["left"].betas
    return HandShapes.of_record({"mano": betas.tolist(), "umetrack": umetrack_profile})


def blank(is_right):
    return HandSample(
        sample_id=f"hot3d/clip/214-1/0/{'right' if is_right else 'left'}",
        image=b"",
        image_size=(0, 0),
        is_right=is_right,
        bbox_xyxy=np.zeros(4),
        focal=np.zeros(2),
        princpt=np.zeros(2),
        camera_valid=True,
    )


def label(is_right, record, shapes, pair):
    return label_hand(
        blank(is_right),
        record,
        shapes=shapes,
        hands=pair,
        camera_from_world=CAMERA_FROM_WORLD,
    )


def only(mano=None, umetrack=None):
    return HandRecord(mano, umetrack, box_xyxy=np.zeros(4), visibility=1.0)


def world_mesh(pair, is_right, mano, betas):
    """What smplx makes of the record: rotate around the wrist at rest, then add transl."""
    asset = pair.asset(is_right)
    pose = asset.hands_mean + mano.thetas @ asset.hands_components[:15]
    shaped = asset.v_template + asset.shapedirs @ betas
    root = asset.j_regressor[0] @ shaped + mano.transl
    return pair.pose(
        is_right, global_orient=mano.global_orient, hand_pose=pose, betas=betas, root=root
    )


@pytest.mark.parametrize("is_right", [True, False])
def test_parameters_in_the_camera_pose_the_mesh_of_the_world(pair, mano, shapes, is_right):
    hand = label(is_right, only(mano), shapes, pair)
    world = world_mesh(pair, is_right, mano, shapes.betas)
    expected = CAMERA_FROM_WORLD.apply(world.vertices)
    np.testing.assert_allclose(hand.vertices, expected, atol=1e-6)
    np.testing.assert_allclose(pair.pose_sample(hand.labels).vertices, expected, atol=1e-6)
    keypoints = CAMERA_FROM_WORLD.apply(world.keypoints)
    np.testing.assert_allclose(hand.labels.keypoints_cam, keypoints, atol=1e-6)
    assert hand.labels.mano_valid and hand.labels.keypoints_cam_valid.all()
    assert hand.labels.mano_residual is None


@pytest.mark.parametrize("is_right", [True, False])
def test_transl_is_no_point_that_moves_to_the_camera(pair, mano, shapes, is_right):
    """A wrist_xform taken for the pose of the wrist puts the hand centimetres away."""
    hand = label(is_right, only(mano), shapes, pair)
    asset = pair.asset(is_right)
    rest = asset.j_regressor[0] @ (asset.v_template + asset.shapedirs @ shapes.betas)
    naive = CAMERA_FROM_WORLD.apply(mano.transl) + rest
    assert np.linalg.norm(naive - hand.labels.mano_root_cam) > 0.03
    assert np.linalg.norm(CAMERA_FROM_WORLD.apply(mano.transl) - hand.keypoints[0]) > 0.08


def test_the_mean_pose_is_added_once(pair, mano, shapes):
    zero = mano._replace(thetas=np.zeros(15))
    hand = label(False, only(zero), shapes, pair)
    np.testing.assert_allclose(hand.labels.hand_pose, pair.asset(False).hands_mean, atol=1e-6)
    assert np.abs(hand.labels.hand_pose).max() > 0.1


def test_left_shape_directions_must_mirror_the_right_ones(mano, shapes, pair):
    stock = HandPair.load("openhand", stock_left=True)
    hands = [label(False, only(mano), shapes, hands) for hands in (pair, stock)]
    gap = np.linalg.norm(hands[0].vertices - hands[1].vertices, axis=-1)
    assert gap.max() > 0.001  # metres
    world = world_mesh(pair, False, mano, shapes.betas)
    expected = CAMERA_FROM_WORLD.apply(world.vertices)
    np.testing.assert_allclose(hands[0].vertices, expected, atol=1e-6)


@pytest.mark.parametrize("is_right", [True, False])
def test_umetrack_alone_gives_2d_labels(pair, shapes, is_right):
    """The profile is the open hand; with all angles zero it is flat."""
    record = only(umetrack=UmeTrackRecord(np.zeros(22), WORLD_FROM_WRIST))
    hand = label(is_right, record, shapes, pair)
    assert not hand.labels.mano_valid and not hand.labels.keypoints_cam_valid.any()
    valid = hand.labels.keypoints_img_valid
    assert np.flatnonzero(~valid).tolist() == [0, 1]
    flat = flat_hand(pair, is_right, shapes.betas)
    np.testing.assert_allclose(hand.keypoints[valid], flat.keypoints[valid], atol=1e-6)
    np.testing.assert_allclose(hand.vertices, flat.vertices, atol=1e-6)


def flat_hand(pair, is_right, betas):
    wrist = CAMERA_FROM_WORLD.after(WORLD_FROM_WRIST)
    return pair.pose(
        is_right,
        global_orient=Rotation.from_matrix(wrist.rotation).as_rotvec(),
        hand_pose=np.zeros(45),
        betas=betas,
        root=wrist.translation,
    )


def test_the_residual_leaves_out_what_the_models_do_not_share(pair, mano, shapes):
    umetrack = UmeTrackRecord(np.zeros(20), WORLD_FROM_WRIST)
    hand = label(True, only(mano, umetrack), shapes, pair)
    flat = flat_hand(pair, True, shapes.betas)
    gap = np.linalg.norm(hand.keypoints - flat.keypoints, axis=-1)
    assert hand.labels.mano_residual == pytest.approx(gap[2:].mean(), abs=1e-7)


def test_a_hand_without_any_pose_has_no_labels(pair, shapes):
    assert label(True, only(), shapes, pair) is None


def test_shapes_are_checked(umetrack_profile):
    with pytest.raises(ValueError, match=r"mano: .*\(9,\), want \(10,\)"):
        HandShapes.of_record({"mano": [0.0] * 9, "umetrack": umetrack_profile})
    with pytest.raises(ValueError, match="joint_rotation_axes: missing"):
        HandShapes.of_record({"mano": [0.0] * 10, "umetrack": {}})
    with pytest.raises(ValueError, match="joint_rotation_axes: missing"):
        HandShapes.of_record({"mano": [0.0] * 10})
