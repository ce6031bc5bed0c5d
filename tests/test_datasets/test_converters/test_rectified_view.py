from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from handvit.datasets.conversion.converter import Rejection
from handvit.datasets.conversion.view import NO_IMAGE, OTHER_SIZE, OUTSIDE, CropView, FullFrameView
from handvit.datasets.converters.rectified_view import (
    TOO_OBLIQUE,
    FisheyeCamera,
    FisheyeFrame,
    FisheyeHand,
    RectifiedView,
    VirtualCamera,
    look_along,
    mean_rays,
    resample,
    smallest_turn,
    turn_labels,
)
from handvit.datasets.shards.image_codec import decode_image
from handvit.geometry.fisheye624 import fisheye624_project
from handvit.hand_models.hand_pair import HandPair
from handvit.structures import HandSample

QUARTER = np.array([[0.0, -1, 0], [1, 0, 0], [0, 0, 1]])  # the picture is turned clockwise
SIZE = (256, 200)
PARAMS = np.array([130.0, 128.0, 101.0, 0.02, -0.02, *[0.0] * 4, 0.002, -0.001, *[0.001] * 4])
CAMERA = FisheyeCamera(PARAMS, SIZE, np.eye(3))


def unit(*vector):
    return np.array(vector) / np.linalg.norm(vector)


def patch(ray, radius=0.1, distance=0.5):
    """A square of points before the lens, (400, 3)."""
    plane = np.linspace(-radius, radius, 20)
    points = np.stack([*np.meshgrid(plane, plane), np.ones((20, 20))], axis=-1).reshape(-1, 3)
    return distance * points @ smallest_turn(unit(*ray))


def ramps():
    """An image whose red is its column and whose green is its row."""
    columns, rows = np.meshgrid(np.arange(SIZE[0]), np.arange(SIZE[1]))
    return np.stack([columns, rows, np.full_like(rows, 50)], axis=-1).astype(np.uint8)


def blank(**labels):
    return HandSample(
        sample_id="fish/eye/0/0/right",
        image=b"",
        image_size=(0, 0),
        is_right=True,
        bbox_xyxy=np.zeros(4),
        focal=np.zeros(2),
        princpt=np.zeros(2),
        camera_valid=True,
        extra={"subject": "me"},
        **labels,
    )


def hand_at(vertices):
    valid = np.ones(21, bool)
    keypoints = vertices[::20][:21] if len(vertices) > 400 else vertices[np.arange(21) * 19]
    labels = blank(
        keypoints_img_valid=valid, keypoints_cam=keypoints.copy(), keypoints_cam_valid=valid
    )
    return FisheyeHand(labels, keypoints, vertices)


def store(pixels, *hands, camera=CAMERA, crop=CropView(384, 2.0)):  # noqa: B008
    encoded = cv2.imencode(".png", cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR))[1].tobytes()
    frame = FisheyeFrame("eye.png", lambda: encoded, camera, list(hands))
    return list(RectifiedView(crop).store([frame]))


def look_at(vertices, camera, crop):
    """The camera of a hand that does not move."""
    (axis,) = mean_rays([hand_at(vertices)]).values()
    return look_along(axis, vertices, camera, crop)


def test_smallest_turn():
    np.testing.assert_array_equal(smallest_turn(np.array([0.0, 0, 1])), np.eye(3))
    for ray in (unit(1, 0, 1), unit(-0.3, 0.8, 0.2), unit(0.1, 0.2, -1)):
        turn = smallest_turn(ray)
        np.testing.assert_allclose(turn @ ray, [0, 0, 1], atol=1e-12)
        vector = Rotation.from_matrix(turn).as_rotvec()
        assert np.linalg.norm(vector) == pytest.approx(np.arccos(ray[2]))
        assert abs(vector[2]) < 1e-12  # no turn around the optical axis
        assert np.linalg.det(turn) == pytest.approx(1)


@pytest.mark.parametrize("ray", [(0, 0, 1), (0.5, -0.3, 1), (-0.6, 0.1, 0.9)])
def test_every_pixel_comes_from_where_its_ray_meets_the_image(ray):
    virtual = look_at(patch(ray), CAMERA, CropView(384, 1.5))
    picture = resample(ramps().astype(np.float32), CAMERA, virtual)
    assert virtual.rotation[2] @ unit(*ray) > np.cos(0.02)  # rad
    rows, columns = np.mgrid[: virtual.size, : virtual.size]
    plane = (np.stack([columns, rows], axis=-1) - virtual.princpt) / virtual.focal
    rays = np.concatenate([plane, np.ones_like(plane[..., :1])], axis=-1) @ virtual.rotation
    expected = fisheye624_project(torch.from_numpy(rays), torch.from_numpy(PARAMS)).numpy()
    inside = (expected > 1).all(-1) & (expected < np.array(SIZE) - 2).all(-1)
    assert inside.mean() > 0.7
    gap = (picture[..., :2] - expected)[inside]
    assert np.abs(gap).max() < 0.04  # px; OpenCV rounds places to 1/32 px


def test_pixel_centres_survive_shrinking():
    virtual = look_at(patch((0.3, 0.2, 1), radius=0.3), CAMERA, CropView(32, 1.2))
    assert virtual.focal < 0.4 * PARAMS[0]
    rays, params = torch.from_numpy(virtual.rays()), torch.from_numpy(PARAMS)
    expected = fisheye624_project(rays, params).numpy()
    gap = resample(ramps().astype(np.float32), CAMERA, virtual)[..., :2] - expected
    assert np.abs(gap).max() < 0.15  # px, of pixels that are three times smaller


def test_fine_patterns_turn_grey_when_shrunk():
    rows, columns = np.mgrid[: SIZE[1], : SIZE[0]]
    board = np.repeat(((rows + columns) % 2 * 255)[..., None], 3, axis=-1).astype(np.uint8)
    virtual = look_at(patch((0, 0, 1), radius=0.3), CAMERA, CropView(40, 1.2))
    assert resample(board, CAMERA, virtual)[10:30, 10:30].std() < 15


def test_sideways_images_are_turned_upright_with_their_labels():
    rng = np.random.default_rng(0)
    size = (96, 96)
    camera = FisheyeCamera(np.array([130.0, 47.5, 47.5, *[0.0] * 12]), size, QUARTER)
    pixels = cv2.resize(rng.integers(0, 256, (6, 6, 3), np.uint8), size)
    vertices = patch((0, 0, 1))
    (sample,) = store(pixels, hand_at(vertices), camera=camera)
    assert abs(sample.image_size[0] - 2 * 2 * 13) <= 1
    start = 48 - sample.image_size[0] // 2
    picture = decode_image(sample.image, sample.image_size).astype(float)
    errors = []
    for k in range(4):
        upright = np.rot90(pixels, k=k)[start : start + len(picture), start : start + len(picture)]
        errors.append(np.abs(picture - upright).mean())
    assert np.argmin(errors) == 3 and errors[3] < 6 and min(errors[:3]) > 30, errors
    # What was up in the image as stored is now on the right.
    np.testing.assert_allclose(sample.keypoints_cam[:, 0], -hand_at(vertices).keypoints[:, 1])
    np.testing.assert_allclose(sample.keypoints_cam[:, 1], hand_at(vertices).keypoints[:, 0])


def test_a_sample_says_how_to_get_back():
    hand = hand_at(patch((0.4, -0.3, 1)))
    (sample,) = store(ramps(), hand)
    sample.validate()
    assert sample.extra["subject"] == "me" and sample.extra["frame_size"] == list(SIZE)
    back = np.array(sample.extra["rotation_from_camera"]).T
    np.testing.assert_allclose(sample.keypoints_cam @ back.T, hand.keypoints, atol=1e-12)
    expected = sample.keypoints_cam[:, :2] / sample.keypoints_cam[:, 2:] * sample.focal
    np.testing.assert_allclose(sample.keypoints_img, expected + sample.princpt)


def test_the_box_is_tight_and_in_the_middle():
    (sample,) = store(ramps(), hand_at(patch((0.4, -0.3, 1))))
    middle = (sample.bbox_xyxy[:2] + sample.bbox_xyxy[2:]) / 2
    np.testing.assert_allclose(middle, (sample.image_size[0] - 1) / 2)
    side = (sample.bbox_xyxy[2:] - sample.bbox_xyxy[:2]).max()
    assert sample.image_size[0] == pytest.approx(2 * side, abs=1)
    assert np.abs(sample.princpt - middle).max() < 0.05 * side  # the camera looks at the hand
    virtual = VirtualCamera(
        np.array(sample.extra["rotation_from_camera"]), sample.focal[0], sample.princpt, 0
    )
    outline = virtual.project(patch((0.4, -0.3, 1)))
    np.testing.assert_allclose(sample.bbox_xyxy, [*outline.min(0), *outline.max(0)])


def test_keypoints_that_are_no_labels_stay_zero():
    hand = hand_at(patch((0.4, -0.3, 1)))
    valid = np.arange(21) > 1
    nothing = dict(keypoints_cam=np.zeros((21, 3)), keypoints_cam_valid=np.zeros(21, bool))
    hand = hand._replace(labels=blank(keypoints_img_valid=valid, **nothing))
    hand.keypoints[:2] = 0
    (sample,) = store(ramps(), hand)
    assert not sample.keypoints_img[:2].any() and sample.keypoints_img[2:].all()


def test_mano_turns_with_the_camera():
    pair, rng = HandPair.load("openhand"), np.random.default_rng(0)
    hand = blank(
        mano_valid=True,
        global_orient=rng.normal(0, 1, 3),
        hand_pose=rng.normal(0, 0.2, 45),
        betas=rng.normal(0, 1, 10),
        mano_root_cam=np.array([0.1, 0.2, 0.6]),
    )
    turn = Rotation.from_rotvec([0.3, -0.5, 1.2]).as_matrix()
    turned = turn_labels(hand, turn)
    expected = pair.pose_sample(hand).vertices @ turn.T
    np.testing.assert_allclose(pair.pose_sample(turned).vertices, expected, atol=1e-12)


def test_what_the_lens_does_not_see_is_black():
    # This lens ends at 57.7 degrees; its polynomial folds the rest back into the image.
    params = np.array([60.0, 128.0, 100.0, -1 / 3, *[0.0] * 11])
    camera = FisheyeCamera(params, SIZE, np.eye(3))
    virtual = look_at(patch((0.8, 0, 1), radius=0.2), camera, CropView(200, 4.0))
    picture = resample(np.full((SIZE[1], SIZE[0], 3), 200, np.uint8), camera, virtual)
    rays = virtual.rays()
    angle = np.degrees(np.arccos(rays[..., 2] / np.linalg.norm(rays, axis=-1)))
    assert (picture[angle < 56] == 200).all() and (picture[angle > 58] == 0).all()
    assert 0.2 < (angle > 58).mean() < 0.8


@pytest.mark.parametrize("ray", [(5, 0, 1), (0, 5, 1), (0.1, 0, -1)])
def test_hands_that_the_lens_does_not_see_are_rejected(ray):
    (rejection,) = store(ramps(), hand_at(patch(ray, radius=0.05)))
    assert isinstance(rejection, Rejection) and rejection.reason == OUTSIDE
    assert "eye.png: fish/eye/0/0/right" in rejection.where


def clip(*rays, is_right=True):
    """A frame for each place of a hand."""
    encoded = cv2.imencode(".png", cv2.cvtColor(ramps(), cv2.COLOR_RGB2BGR))[1].tobytes()
    hands = [hand_at(patch(ray, radius=0.05)) for ray in rays]
    side = dict(is_right=is_right, sample_id=f"fish/eye/0/0/{'right' if is_right else 'left'}")
    hands = [hand._replace(labels=replace(hand.labels, **side)) for hand in hands]
    return [FisheyeFrame("eye.png", lambda: encoded, CAMERA, [hand]) for hand in hands]


def test_axes_hold_for_all_frames_of_a_side():
    rights = clip((-0.4, 0, 1), (0, 0.1, 1), (0.4, -0.1, 1))
    lefts = clip((0.3, 0.3, 1), (0.5, 0.3, 1), is_right=False)
    samples = list(RectifiedView(CropView(384, 2.0)).store([*rights, *lefts]))
    rotations = [np.array(sample.extra["rotation_from_camera"]) for sample in samples]
    for track, frames in ((rotations[:3], rights), (rotations[3:], lefts)):
        rays = [frame.hands[0].vertices for frame in frames]
        rays = [unit(*(ray / np.linalg.norm(ray, axis=1)[:, None]).mean(0)) for ray in rays]
        np.testing.assert_allclose(track[0][2], unit(*np.mean(rays, axis=0)), atol=1e-12)
        for rotation in track:
            np.testing.assert_array_equal(rotation, track[0])
    assert np.abs(rotations[0] - rotations[3]).max() > 0.1
    for sample, frame in zip(samples, [*rights, *lefts], strict=True):
        middle = (sample.bbox_xyxy[:2] + sample.bbox_xyxy[2:]) / 2
        np.testing.assert_allclose(middle, (sample.image_size[0] - 1) / 2)  # the crop follows
        back = sample.keypoints_cam @ np.array(sample.extra["rotation_from_camera"])
        np.testing.assert_allclose(back, frame.hands[0].keypoints, atol=1e-12)


def test_pictures_beside_the_axis_are_as_fine_as_the_image():
    """Across the ray; along the radius they are finer. The lens has 130 px a radian."""
    camera = CAMERA._replace(params=np.array([130.0, 128.0, 101.0, *[0.0] * 12]))
    vertices, beside = patch((0, 0, 1), radius=0.02), unit(1, 0, 1)
    virtual = look_along(beside, vertices, camera, CropView(384, 2.0))
    bottom, top = virtual.project(np.array([[0, -0.001, 1], [0, 0.001, 1]]))
    assert np.linalg.norm(top - bottom) / 0.002 == pytest.approx(130, rel=0.03)
    picture = resample(ramps().astype(np.float32), camera, virtual)
    middle = virtual.size // 2
    assert picture[middle, middle, :2] == pytest.approx(PARAMS[1:3], abs=0.1)


def test_hands_far_from_the_axis_are_rejected_and_counted():
    near, far = (0.5, 0, 1), (-1.9, 0, 1)
    wide = CAMERA._replace(params=np.array([80.0, 128.0, 100.0, *[0.0] * 12]))
    frames = [frame._replace(camera=wide) for frame in clip(near, near, near, far)]
    *samples, rejection = RectifiedView(CropView()).store(frames)
    assert len(samples) == 3 and rejection.reason == TOO_OBLIQUE
    axis = mean_rays(frame.hands[0] for frame in frames)[True]
    angle = np.degrees(np.arccos(unit(*far) @ axis))
    said = int(rejection.where.split("by ")[1].split(" deg")[0])
    assert 66 < angle < said < angle + 8


def test_hands_around_the_lens_are_rejected():
    near = np.concatenate([patch((1, 0, 0.02)), patch((-1, 0, 0.02)), patch((0, 0, 1))])
    camera = CAMERA._replace(params=np.array([40.0, 128.0, 100.0, *[0.0] * 12]))
    (rejection,) = store(ramps(), hand_at(near), camera=camera)
    assert rejection.reason == TOO_OBLIQUE and " deg" in rejection.where


def test_images_are_read_once_and_only_if_there_are_hands():
    def read():
        raise FileNotFoundError(2, "No such file")

    view = RectifiedView(CropView())
    assert list(view.store([FisheyeFrame("eye.png", read, CAMERA, [])])) == []
    hands = [hand_at(patch((0, 0, 1)))] * 2
    (rejection,) = view.store([FisheyeFrame("eye.png", read, CAMERA, hands)])
    assert rejection == Rejection(NO_IMAGE, "eye.png: No such file")
    (rejection,) = store(ramps()[:-1], *hands)
    assert rejection.reason == OTHER_SIZE and "(256, 199)" in rejection.where


def test_full_frames_are_refused():
    with pytest.raises(ValueError, match="--full-frame: a fisheye image as a whole has no pinhole"):
        RectifiedView(FullFrameView())
