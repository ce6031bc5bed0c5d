import pytest
import torch
from torch import Tensor

from handvit.geometry.boxes import bbox_center, bbox_size
from handvit.geometry.camera import project
from handvit.hand_models.mano_layer import ManoLayer
from handvit.preprocessing import HandDataPreprocessor
from handvit.registry import MODELS
from handvit.structures import HandBatch, HandCrops

BLOB_KEYPOINTS = [0, 12, 20]  # of the red, green and blue blob
CROP_SIZE = 96
AUGMENTATION = dict(
    type="GeometricAugmentation",
    roll=1.5,
    tilt=0.2,
    focal_log_scale=0.1,
    box_shift=0.05,
    box_log_scale=0.05,
    crop_log_scale=0.1,
)


def build(**changes) -> HandDataPreprocessor:
    """A preprocessor that leaves pixels in [0, 1]."""
    cfg = dict(crop_size=CROP_SIZE, expand=1.6, mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0))
    return MODELS.build(dict(type="HandDataPreprocessor", **{**cfg, **changes}))


def cut(batch: HandBatch, training: bool = True) -> HandCrops:
    return build(geometric=AUGMENTATION)(batch, training)["crops"]


def blob_centers(crop: Tensor) -> Tensor:
    """Centre of mass of each channel, (..., 3, S, S) -> (..., 3, 2) px."""
    line = torch.arange(crop.shape[-1]).float()
    mass = crop.sum((-1, -2))
    x = (crop * line).sum((-1, -2)) / mass
    y = (crop * line[:, None]).sum((-1, -2)) / mass
    return torch.stack([x, y], -1)


@pytest.mark.parametrize("training", [False, True], ids=["plain", "augmented"])
def test_camera_of_the_crop_sees_the_3d_labels_where_the_2d_labels_are(make_batch, training):
    crops = cut(make_batch(16, 2), training)
    seen = project(crops.labels.keypoints_cam, crops.focal_crop, crops.princpt_crop)
    torch.testing.assert_close(seen, crops.keypoints_crop, rtol=0, atol=0.05)


@pytest.mark.parametrize("training", [False, True], ids=["plain", "augmented"])
def test_pixels_lie_where_the_labels_say(make_batch, training):
    """Includes mirrored left hands in padded images."""
    batch = make_batch(16, 2)
    crops = cut(batch, training)
    wanted = crops.keypoints_crop[..., BLOB_KEYPOINTS, :]
    torch.testing.assert_close(blob_centers(crops.crop), wanted, rtol=0, atol=0.1)
    assert torch.equal(crops.is_mirrored, ~batch.labels.is_right)


@pytest.mark.parametrize("training", [False, True], ids=["plain", "augmented"])
def test_mano_labels_follow_the_augmentation(make_batch, training):
    labels = cut(make_batch(16, 2), training).labels
    mesh = ManoLayer()(labels.mano.global_orient, labels.mano.hand_pose, labels.mano.betas)
    keypoints_cam = mesh.keypoints_rel + labels.mano.root_cam[..., None, :]
    torch.testing.assert_close(keypoints_cam, labels.keypoints_cam, rtol=0, atol=1e-5)


def test_augmentation_runs_in_training_only(make_batch):
    batch = make_batch(2)
    plain = build()(batch, training=True)["crops"]
    tested = cut(batch, training=False)
    assert torch.equal(tested.crop, plain.crop)
    assert not torch.equal(cut(batch, training=True).crop, plain.crop)


def test_pixel_augmentation_runs_in_training_only(make_batch):
    batch = make_batch(2)
    plain = build()(batch)["crops"]
    preprocessor = build(pixel=dict(type="PixelAugmentation", noise_std=0.1, brightness=0.3))
    assert torch.equal(preprocessor(batch, training=False)["crops"].crop, plain.crop)
    augmented = preprocessor(batch, training=True)["crops"]
    assert not torch.allclose(augmented.crop, plain.crop)
    assert torch.equal(augmented.keypoints_crop, plain.keypoints_crop)


def test_crop_is_the_expanded_square_of_the_box(make_batch):
    batch = make_batch(1)
    crops = build()(batch)["crops"]
    side = bbox_size(batch.labels.bbox_xyxy).amax(-1) * 1.6
    torch.testing.assert_close(bbox_size(crops.crop_bbox_xyxy), side[..., None].expand(1, 1, 2))
    center = bbox_center(crops.crop_bbox_xyxy)
    torch.testing.assert_close(center, bbox_center(batch.labels.bbox_xyxy))
    zoom = CROP_SIZE / side[..., None]
    torch.testing.assert_close(crops.focal_crop, batch.labels.focal * zoom)
    # The box's centre becomes the crop's, which lies between two pixels.
    offset = (batch.labels.princpt - center) * zoom
    torch.testing.assert_close(crops.princpt_crop, offset + (CROP_SIZE - 1) / 2)


def test_pixels_are_normalised(make_batch):
    batch = make_batch(1)
    mean, std = (0.5, 0.4, 0.3), (0.2, 0.25, 0.5)
    raw = build()(batch)["crops"].crop
    crop = build(mean=mean, std=std)(batch)["crops"].crop
    for channel in range(3):
        wanted = (raw[:, :, channel] - mean[channel]) / std[channel]
        torch.testing.assert_close(crop[:, :, channel], wanted)
    assert raw.min() == 0 and 0.5 < raw.max() <= 1


def test_shapes_and_dtypes(make_batch):
    crops = cut(make_batch(3, 2))
    assert crops.crop.shape == (3, 2, 3, CROP_SIZE, CROP_SIZE)
    assert crops.keypoints_crop.shape == (3, 2, 21, 2)
    assert crops.crop.dtype == crops.focal_crop.dtype == torch.float32
    assert crops.labels.frame_time.dtype == torch.float64
    assert not crops.crop.requires_grad


def test_autocast_does_not_move_pixels(make_batch):
    batch = make_batch(2)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        crops = cut(batch, training=False)
    assert torch.equal(crops.crop, cut(batch, training=False).crop)


def test_hand_without_labels_gives_finite_numbers(make_batch):
    batch = make_batch(2)
    labels = batch.labels
    unlabelled = labels._replace(
        keypoints_img=torch.zeros_like(labels.keypoints_img),
        keypoints_img_valid=torch.zeros_like(labels.keypoints_img_valid),
        keypoints_cam=torch.zeros_like(labels.keypoints_cam),
        keypoints_cam_valid=torch.zeros_like(labels.keypoints_cam_valid),
    )
    crops = cut(batch._replace(labels=unlabelled))
    assert all(x.isfinite().all() for x in crops if isinstance(x, Tensor))
    assert crops.labels.keypoints_img.isfinite().all()


def test_buffers_stay_out_of_checkpoints():
    assert not build(geometric=AUGMENTATION).state_dict()
