import numpy as np
import pytest

from handvit.datasets.converters.interhand26m.mano import add_mano, mano_labels
from handvit.datasets.converters.interhand_joints import WorldCamera
from handvit.hand_models.hand_pair import HandPair
from handvit.hand_models.mano_conversion import remove_mean_pose
from handvit.structures import HandSample


@pytest.fixture(scope="module")
def world(make_world):
    return make_world(num_frames=1)


@pytest.fixture(scope="module")
def camera(world):
    seen = world.cameras[0]
    return WorldCamera(seen.rotation, seen.translation, seen.focal, seen.princpt)


def parameters(world, side):
    """A fit as its file has it: in the world, offsets from the mean pose, MANO's translation."""
    hand = world.hands[0][side]
    pose = remove_mean_pose(hand.hand_pose, world.pair.asset(hand.is_right))
    full = np.concatenate([hand.global_orient, pose])
    return {"pose": full, "shape": hand.betas, "trans": hand.transl}


def hand_sample(world, camera, side):
    """A hand with its keypoints only."""
    keypoints_cam = camera.to_cam(world.hands[0][side].keypoints)
    return HandSample(
        sample_id=f"interhand26m/a/b/c/{side}",
        image=b"",
        image_size=(320, 240),
        is_right=side == "right",
        bbox_xyxy=np.array([0.0, 0.0, 1.0, 1.0]),
        focal=camera.focal,
        princpt=camera.princpt,
        camera_valid=True,
        keypoints_img=camera.project(keypoints_cam),
        keypoints_img_valid=np.ones(21, bool),
        keypoints_cam=keypoints_cam,
        keypoints_cam_valid=np.ones(21, bool),
    )


@pytest.mark.parametrize("side", ["right", "left"])
def test_moving_the_parameters_equals_moving_the_mesh(world, camera, side):
    labels = mano_labels(parameters(world, side), side == "right", camera, world.pair)
    mesh = world.pair.pose(
        side == "right",
        global_orient=labels["global_orient"],
        hand_pose=labels["hand_pose"],
        betas=labels["betas"],
        root=labels["mano_root_cam"],
    )
    expected = world.cameras[0].to_cam(world.hands[0][side].vertices)
    np.testing.assert_allclose(mesh.vertices, expected, atol=1e-9)


@pytest.mark.parametrize("side", ["right", "left"])
def test_box_is_that_of_mesh_and_keypoints_and_the_residual_is_told(world, camera, side):
    sample = hand_sample(world, camera, side)
    sample.keypoints_img[3] = [1.0, 2.0]  # a corner of the image
    sample.keypoints_cam[3, 0] += 0.021
    fitted = add_mano(sample, parameters(world, side), camera, world.pair)
    pixels = world.cameras[0].project(world.cameras[0].to_cam(world.hands[0][side].vertices))
    np.testing.assert_allclose(fitted.bbox_xyxy, [1.0, 2.0, *pixels.max(0)])
    assert fitted.mano_valid
    assert fitted.mano_residual == pytest.approx(0.001)
    assert not sample.mano_valid and sample.bbox_xyxy.tolist() == [0.0, 0.0, 1.0, 1.0]


def test_stock_left_shape_directions_would_be_seen(world, camera):
    stock = HandPair.load("openhand", stock_left=True)
    residual = {}
    for side in ("right", "left"):
        sample = hand_sample(world, camera, side)
        residual[side] = add_mano(sample, parameters(world, side), camera, stock).mano_residual
    assert residual["right"] < 1e-9 and residual["left"] > 0.001


@pytest.mark.parametrize("key", ["shape", "trans"], ids=["not finite", "behind the camera"])
def test_fits_that_cannot_be_are_none_and_leave_the_hand(world, camera, key):
    bad = {"shape": np.full(10, np.nan), "trans": 2 * world.cameras[0].position}
    sample = hand_sample(world, camera, "right")
    before = sample.to_record()
    fit = {**parameters(world, "right"), key: bad[key]}
    assert add_mano(sample, fit, camera, world.pair) is None
    assert sample.to_record() == before and not sample.mano_valid
