import pytest
import torch

from handvit.geometry.boxes import bbox_center, bbox_size
from handvit.geometry.camera import project
from handvit.geometry.image_warp import apply_homography
from handvit.preprocessing import GeometricAugmentation
from handvit.registry import MODELS

EVERYTHING = dict(
    roll=1.0, tilt=0.2, focal_log_scale=0.2, box_shift=0.1, box_log_scale=0.2, crop_log_scale=0.1
)


def test_no_range_means_no_change(make_batch):
    labels = make_batch(2, 3).labels
    same, homography, crop_scale = MODELS.build(dict(type="GeometricAugmentation"))(labels)
    torch.testing.assert_close(homography, torch.eye(3).expand(2, 3, 3, 3))
    assert (crop_scale == 1).all()
    torch.testing.assert_close(same.bbox_xyxy, labels.bbox_xyxy, rtol=0, atol=1e-3)
    torch.testing.assert_close(same.keypoints_img, labels.keypoints_img, rtol=0, atol=1e-3)
    torch.testing.assert_close(same.keypoints_cam, labels.keypoints_cam)
    torch.testing.assert_close(same.mano.global_orient, labels.mano.global_orient)


def test_camera_change_is_exact(make_batch):
    labels = make_batch(16, 2).labels
    turned, homography, _ = GeometricAugmentation(**EVERYTHING)(labels)
    moved = apply_homography(homography, labels.keypoints_img)
    torch.testing.assert_close(turned.keypoints_img, moved, rtol=0, atol=0.01)
    seen = project(turned.keypoints_cam, turned.focal, turned.princpt)
    torch.testing.assert_close(seen, moved, rtol=0, atol=0.01)
    shift = (turned.keypoints_img - labels.keypoints_img).norm(dim=-1).mean((1, 2))
    assert (shift > 1).all()  # px: every clip was turned


def test_clip_shares_one_camera_but_not_its_box_errors(make_batch):
    labels = make_batch(4, 3).labels
    turned, homography, crop_scale = GeometricAugmentation(**EVERYTHING)(labels)
    # The frames of a clip share their stored camera, so their homographies agree as well.
    torch.testing.assert_close(homography, homography[:, :1].expand_as(homography))
    assert torch.equal(turned.focal, turned.focal[:, :1].expand_as(turned.focal))
    assert torch.equal(crop_scale, crop_scale[:, :1].expand_as(crop_scale))
    assert len(crop_scale[:, 0].unique()) == 4
    box_errors = GeometricAugmentation(box_shift=0.1, box_log_scale=0.2)(labels).labels
    scale = bbox_size(box_errors.bbox_xyxy)[..., 0] / bbox_size(labels.bbox_xyxy)[..., 0]
    assert len(scale.unique()) == 12


def test_roll_turns_about_the_hand(make_batch):
    labels = make_batch(4).labels
    _, homography, _ = GeometricAugmentation(roll=1.0)(labels)
    center = bbox_center(labels.bbox_xyxy)[..., None, :]
    torch.testing.assert_close(apply_homography(homography, center), center, rtol=0, atol=0.01)


@pytest.mark.parametrize("roll, tilt", [(0.4, 0.0), (0.0, 0.3)])
def test_angles_stay_in_their_range(make_batch, roll, tilt):
    labels = make_batch(4).labels
    augmentation = GeometricAugmentation(roll=roll, tilt=tilt)
    turned = [augmentation(labels).labels.mano.global_orient for _ in range(16)]
    rotation = torch.stack(turned) @ labels.mano.global_orient.mT
    trace = rotation.diagonal(dim1=-2, dim2=-1).sum(-1)
    angle = ((trace - 1) / 2).clamp(-1, 1).acos()
    assert 0.8 * max(roll, tilt) < angle.max() <= max(roll, tilt) + 1e-3
    assert angle.min() < 0.2 * max(roll, tilt)


def test_scales_stay_in_their_range(make_batch):
    labels = make_batch(4).labels
    augmentation = GeometricAugmentation(focal_log_scale=0.2, crop_log_scale=0.3)
    drawn = [augmentation(labels) for _ in range(16)]
    focal_scale = torch.stack([draw.labels.focal / labels.focal for draw in drawn]).log()
    crop_scale = torch.stack([draw.crop_scale for draw in drawn])
    assert 0.18 < focal_scale.max() <= 0.2001
    assert -0.2001 <= focal_scale.min() < -0.18
    assert not torch.allclose(focal_scale[..., 0], focal_scale[..., 1])  # drawn apart
    assert 0.25 < crop_scale.log().abs().max() <= 0.3001


def test_the_global_seed_decides(make_batch):
    labels = make_batch(2).labels
    augmentation = GeometricAugmentation(**EVERYTHING)
    torch.manual_seed(7)
    first = augmentation(labels).homography
    second = augmentation(labels).homography
    torch.manual_seed(7)
    assert torch.equal(augmentation(labels).homography, first)
    assert not torch.equal(first, second)
