from dataclasses import replace

import cv2
import numpy as np
import pytest

from handvit.datasets.conversion.converter import RawFrame, Rejection
from handvit.datasets.conversion.view import (
    BAD_IMAGE,
    BAD_LABELS,
    NO_IMAGE,
    OTHER_SIZE,
    OUTSIDE,
    TOO_LARGE,
    CropView,
    FullFrameView,
    cut_square,
    square_around,
)
from handvit.datasets.shards.image_codec import decode_image
from handvit.structures import HandSample


@pytest.fixture(scope="module")
def world(make_world):
    return make_world(num_frames=1, size=(400, 300))


@pytest.fixture(scope="module")
def png(world) -> bytes:
    picture = world.picture(0, world.cameras[0])
    return cv2.imencode(".png", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))[1].tobytes()


def _hand(world, side="right") -> HandSample:
    camera, hand = world.cameras[0], world.hands[0][side]
    keypoints_cam = camera.to_cam(hand.keypoints)
    outline = camera.project(camera.to_cam(hand.vertices))
    return HandSample(
        sample_id=f"test/sequence/cam0/0/{side}",
        image=b"",
        image_size=(0, 0),
        is_right=side == "right",
        bbox_xyxy=np.concatenate([outline.min(0), outline.max(0)]),
        focal=camera.focal,
        princpt=camera.princpt,
        camera_valid=True,
        keypoints_img=camera.project(keypoints_cam),
        keypoints_img_valid=np.ones(21, bool),
        keypoints_cam=keypoints_cam,
        keypoints_cam_valid=np.ones(21, bool),
    )


def _store(view, image, *hands):
    def read() -> bytes:
        if isinstance(image, OSError):
            raise image
        return image

    return list(view.store(RawFrame("raw/0001.png", read, list(hands))))


@pytest.mark.parametrize("image_size", [64, 150, 4096])
@pytest.mark.parametrize("side", ["right", "left"])
def test_labels_of_a_crop_are_the_truth(world, png, assert_truth, image_size, side):
    (sample,) = _store(CropView(image_size, context=1.6), png, _hand(world, side))
    assert_truth(sample, world.hands[0][side], world.cameras[0], world.pair)
    width, height = sample.image_size
    assert width == height <= image_size
    assert decode_image(sample.image, sample.image_size).shape == (height, width, 3)
    longer = (sample.bbox_xyxy[2:] - sample.bbox_xyxy[:2]).max()
    assert width / longer == pytest.approx(1.6, rel=0.03)
    center = (sample.bbox_xyxy[:2] + sample.bbox_xyxy[2:]) / 2
    np.testing.assert_allclose(center, (width - 1) / 2, atol=1)


@pytest.mark.parametrize("scale", [1, 3])
def test_pixels_of_a_crop_lie_where_its_labels_say(scale):
    """A bright square stays under its own box, at native size and shrunk."""
    image = np.zeros((240, 300, 3), np.uint8)
    image[90:150, 120:180] = 255
    hand = HandSample(
        sample_id="test/sequence/cam0/0/right",
        image=b"",
        image_size=(300, 240),
        is_right=True,
        bbox_xyxy=np.array([119.5, 89.5, 179.5, 149.5]),
        focal=np.array([300.0, 300.0]),
        princpt=np.array([150.0, 120.0]),
        camera_valid=False,
    )
    (sample,) = _store(
        CropView(120 // scale, context=2), cv2.imencode(".png", image)[1].tobytes(), hand
    )
    crop = decode_image(sample.image, sample.image_size)[..., 0] > 127
    rows, columns = np.nonzero(crop)
    found = [columns.min() - 0.5, rows.min() - 0.5, columns.max() + 0.5, rows.max() + 0.5]
    np.testing.assert_allclose(sample.bbox_xyxy, found, atol=0.02)
    assert sample.extra["frame_size"] == [300, 240]
    x0, y0, x1, _ = sample.extra["crop_bbox_xyxy"]
    factor = sample.image_size[0] / (x1 - x0)
    np.testing.assert_allclose(sample.princpt, factor * np.array([150 - x0, 120 - y0]) - 0.5)


def test_a_full_frame_is_stored_byte_for_byte_with_each_hand(world, png, assert_truth):
    hands = [_hand(world, "right"), _hand(world, "left")]
    samples = _store(FullFrameView(), png, *hands)
    assert [sample.image for sample in samples] == [png, png]
    assert {sample.image_size for sample in samples} == {(400, 300)}
    for sample, side in zip(samples, ("right", "left"), strict=True):
        assert_truth(sample, world.hands[0][side], world.cameras[0], world.pair)


def test_outside_the_image_a_crop_is_black():
    image = np.full((10, 12, 3), 200, np.uint8)
    square = cut_square(image, np.array([-3, 6]), 8)
    assert (square[:4, 3:] == 200).all()
    assert not square[4:].any() and not square[:, :3].any()


def test_squares_begin_between_pixels_and_hold_the_box():
    box = np.array([10.2, 20.7, 30.9, 28.0])
    corner, side = square_around(box, 1.5)
    assert side == 32  # 20.7 * 1.5 = 31.05
    assert (corner - 0.5 <= box[:2]).all() and (corner + side - 0.5 >= box[2:]).all()
    np.testing.assert_allclose(corner + (side - 1) / 2, (box[:2] + box[2:]) / 2, atol=0.5)


def test_unknown_keypoints_stay_zero(world, png):
    hand = _hand(world)
    hand.keypoints_img_valid = np.arange(21) > 3
    (sample,) = _store(CropView(), png, hand)
    assert not sample.keypoints_img[:4].any()


@pytest.mark.parametrize("view", [CropView(), FullFrameView()], ids=["crop", "full"])
class TestRejections:
    def test_missing_image(self, view, world):
        missing = FileNotFoundError(2, "No such file or directory")
        assert _store(view, missing, _hand(world)) == [
            Rejection(NO_IMAGE, "raw/0001.png: No such file or directory")
        ]

    @pytest.mark.parametrize("image", [b"", b"GIF89a", b"\xff\xd8\xff\xe0 broken"])
    def test_unreadable_image(self, view, world, image):
        (rejection,) = _store(view, image, _hand(world))
        assert rejection.reason == BAD_IMAGE and rejection.where.startswith("raw/0001.png: ")

    def test_image_of_another_size(self, view, world, png):
        (rejection,) = _store(view, png, replace(_hand(world), image_size=(640, 480)))
        assert rejection.reason == OTHER_SIZE
        assert "(400, 300)" in rejection.where and "(640, 480)" in rejection.where

    @pytest.mark.parametrize("shift", [[1000, 0], [-1000, 0], [0, 1000], [0, -1000]])
    def test_hand_outside(self, view, world, png, shift):
        hand = _hand(world)
        hand.bbox_xyxy = hand.bbox_xyxy + np.tile(shift, 2)
        (rejection,) = _store(view, png, hand)
        assert rejection.reason == OUTSIDE and hand.sample_id in rejection.where

    def test_hand_that_fills_far_more_than_the_image(self, view, world, png):
        hand = replace(_hand(world), bbox_xyxy=np.array([-900.0, 0.0, 800.0, 300.0]))
        (rejection,) = _store(view, png, hand)
        assert rejection.reason == TOO_LARGE and "-900.0" in rejection.where

    @pytest.mark.parametrize("box", [[0, 0, np.nan, 9], [0, 0, np.inf, 9], [5, 5, 5, 9]])
    def test_box_that_is_none(self, view, world, png, box):
        hand = replace(_hand(world), bbox_xyxy=np.array(box, np.float64))
        (rejection,) = _store(view, png, hand)
        assert rejection.reason == f"{BAD_LABELS}: bbox_xyxy"
        assert rejection.where.startswith("test/sequence/cam0/0/right: ")

    def test_labels_that_break_the_contract(self, view, world, png):
        hands = [_hand(world, "right"), _hand(world, "left")]
        hands[0].keypoints_cam[5, 2] = -1
        rejection, sample = _store(view, png, *hands)
        assert rejection.reason == f"{BAD_LABELS}: keypoints_cam"
        assert "test/sequence/cam0/0/right" in rejection.where
        assert sample.sample_id.endswith("left")


@pytest.mark.parametrize(("size", "context"), [(8, 2.5), (9999, 2.5), (384, 0.5), (384, 99)])
def test_settings_that_lose_the_hand_are_refused(size, context):
    with pytest.raises(ValueError, match="must be in"):
        CropView(size, context)
