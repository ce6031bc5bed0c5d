import numpy as np
import pytest

from handvit.datasets.converters.arctic.files import HandMotion
from handvit.datasets.converters.arctic.hands import NOT_FINITE, TOO_NEAR, WorldHand, load_hands
from handvit.datasets.converters.arctic.views import ViewCamera
from handvit.hand_models.hand_pair import HandPair

NUM_FRAMES = 3


@pytest.fixture(scope="module")
def world(make_world):
    return make_world(num_frames=NUM_FRAMES, stock_left=True)


def motion_of(world, side):
    """Raw parameters of the hands, in the world."""
    orient, pose, transl, betas = (
        np.stack([getattr(hands[side], name) for hands in world.hands])
        for name in ("global_orient", "hand_pose", "transl", "betas")
    )
    return HandMotion(orient, pose - world.pair.asset(side == "right").hands_mean, transl, betas)


def camera_of(world):
    (camera,) = world.cameras
    return ViewCamera(
        np.tile(camera.rotation, (NUM_FRAMES, 1, 1)),
        np.tile(camera.translation, (NUM_FRAMES, 1)),
        camera.focal,
        camera.princpt,
        camera.size,
        lambda path: b"",
    )


def label(world, side, row=1, **changes):
    hand = WorldHand(motion_of(world, side), load_hands("openhand"), is_right=side == "right")
    camera = camera_of(world)._replace(**changes)
    return hand.label(row, camera, image_id="arctic/s02_box_use_01/1/00014")


@pytest.mark.parametrize("side", ["right", "left"])
def test_labels_are_the_truth(world, assert_truth, side):
    for row in range(NUM_FRAMES):
        sample = label(world, side, row).validate()
        hand, (camera,) = world.hands[row][side], world.cameras
        assert_truth(sample, hand, camera, world.pair)
        pixels = camera.project(camera.to_cam(hand.vertices))
        assert (sample.bbox_xyxy[:2] <= pixels.min(0) + 0.1).all()
        assert (sample.bbox_xyxy[2:] >= pixels.max(0) - 0.1).all()
        assert sample.sample_id == f"arctic/s02_box_use_01/1/00014/{side}"
        assert sample.frame_time == row / 30
        assert sample.extra == {"subject": "s02"}
        assert sample.keypoints_img_valid.all() and sample.keypoints_cam_valid.all()


def test_right_hands_keep_mano_and_left_ones_do_not(world):
    right, left = label(world, "right"), label(world, "left")
    assert right.mano_valid and right.mano_residual < 1e-9
    np.testing.assert_allclose(right.hand_pose, world.hands[1]["right"].hand_pose)
    assert not left.mano_valid and left.mano_residual is None and not left.betas.any()


def test_left_hands_are_posed_with_the_stock_shapes(world):
    """Mirrored shapes would move the joints of this hand by millimetres."""
    motion = motion_of(world, "left")
    mirrored = WorldHand(motion, HandPair.load("openhand"), is_right=False)
    sample = mirrored.label(1, camera_of(world), image_id="arctic/s02_box_use_01/1/00014")
    truth = label(world, "left")
    assert np.linalg.norm(sample.keypoints_cam - truth.keypoints_cam, axis=-1).max() > 1e-3


def test_numbers_that_are_none(world):
    translation = np.tile(world.cameras[0].translation, (NUM_FRAMES, 1))
    translation[1] = np.nan
    rejection = label(world, "left", translation=translation)
    assert rejection.reason == NOT_FINITE and "00014/left" in rejection.where
    label(world, "left", row=2, translation=translation).validate()


@pytest.mark.parametrize("distance", [-1.0, 0.0, 0.1])
def test_hands_at_or_behind_the_camera(world, distance):
    """Projection would send parts of them to infinity."""
    translation = np.tile([0, 0, distance], (NUM_FRAMES, 1))
    rejection = label(world, "right", translation=translation)
    assert rejection.reason == TOO_NEAR and "00014/right: " in rejection.where
