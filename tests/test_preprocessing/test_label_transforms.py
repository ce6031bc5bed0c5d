import math

import pytest
import torch

from handvit.geometry.boxes import bbox_center, bbox_from_points, bbox_size
from handvit.geometry.camera import project
from handvit.geometry.image_warp import apply_homography
from handvit.geometry.rotation import axis_angle_to_matrix, mirror_points
from handvit.hand_models.mano_layer import ManoLayer
from handvit.preprocessing.label_transforms import (
    jitter_boxes,
    mirror_to_right,
    move_bbox,
    turn_camera,
)
from handvit.structures import HandLabels

PIXELS = dict(rtol=0, atol=5e-3)
METRES = dict(rtol=0, atol=1e-6)


def widths(batch) -> torch.Tensor:
    return batch.image_size[..., 0]


def rotations(labels: HandLabels, *axis_angle: float) -> torch.Tensor:
    """The same rotation for every frame, (B, T, 3, 3)."""
    return axis_angle_to_matrix(torch.tensor(axis_angle)).expand(*labels.is_right.shape, 3, 3)


def unzoomed(labels: HandLabels) -> torch.Tensor:
    return torch.ones_like(labels.focal)


def posed_keypoints(labels: HandLabels) -> torch.Tensor:
    """Keypoints in camera space by the right hand's model, (B, T, 21, 3) metres."""
    mano = labels.mano
    mesh = ManoLayer()(mano.global_orient, mano.hand_pose, mano.betas)
    return mesh.keypoints_rel + mano.root_cam[..., None, :]


def projected(labels: HandLabels) -> torch.Tensor:
    return project(labels.keypoints_cam, labels.focal, labels.princpt)


def test_mirroring_leaves_right_hands_alone(make_batch):
    batch = make_batch(2, 2)
    labels, homography = mirror_to_right(batch.labels, widths(batch))
    assert torch.equal(homography[0], torch.eye(3).expand(2, 3, 3))
    for name in ("bbox_xyxy", "princpt", "keypoints_img", "keypoints_cam", "is_right"):
        assert torch.equal(getattr(labels, name)[0], getattr(batch.labels, name)[0]), name
    for new, old in zip(labels.mano, batch.labels.mano, strict=True):
        assert torch.equal(new[0], old[0])


def test_mirrored_hand_is_seen_where_the_mirrored_image_shows_it(make_batch):
    batch = make_batch(4, 2)
    labels, homography = mirror_to_right(batch.labels, widths(batch))
    moved = apply_homography(homography, batch.labels.keypoints_img)
    torch.testing.assert_close(labels.keypoints_img, moved, **PIXELS)
    torch.testing.assert_close(projected(labels), labels.keypoints_img, **PIXELS)
    corners = bbox_from_points(labels.keypoints_img, labels.keypoints_img_valid)
    torch.testing.assert_close(labels.bbox_xyxy, corners, **PIXELS)


def test_mirroring_swaps_the_outer_pixel_columns(make_batch):
    batch = make_batch(2)
    first_column = torch.zeros_like(batch.labels.keypoints_img)
    labels, _ = mirror_to_right(batch.labels._replace(keypoints_img=first_column), widths(batch))
    assert batch.image_size[1, 0, 0] == 184
    assert (labels.keypoints_img[1, ..., 0] == 183).all()


def test_mirrored_left_hand_is_a_right_hand_of_the_model(make_batch):
    batch = make_batch(4, 2)
    labels, _ = mirror_to_right(batch.labels, widths(batch))
    torch.testing.assert_close(posed_keypoints(labels), labels.keypoints_cam, **METRES)
    assert torch.equal(labels.is_right, batch.labels.is_right)  # the real side


def test_mirroring_twice_changes_nothing(make_batch):
    mano = make_batch(2, 2).labels.mano
    for twice, once in zip(mano.mirrored().mirrored(), mano, strict=True):
        assert torch.equal(twice, once)
    points = torch.randn(3, 4, 3)
    assert torch.equal(mirror_points(mirror_points(points)), points)
    assert mirror_points(torch.tensor([1.0, 2.0, 3.0])).tolist() == [-1, 2, 3]


def test_mirroring_a_sample_twice_changes_nothing(make_batch):
    """All labels of a left hand, in its image: what one mirror does the other undoes."""
    batch = make_batch(4, 2)
    once, homography = mirror_to_right(batch.labels, widths(batch))
    twice, back = mirror_to_right(once, widths(batch))  # ``is_right`` still tells the real side
    torch.testing.assert_close(back @ homography, torch.eye(3).expand(4, 2, 3, 3))
    for name in ("bbox_xyxy", "princpt", "focal", "keypoints_img"):
        torch.testing.assert_close(getattr(twice, name), getattr(batch.labels, name), **PIXELS)
    torch.testing.assert_close(twice.keypoints_cam, batch.labels.keypoints_cam, **METRES)
    for new, old in zip(twice.mano, batch.labels.mano, strict=True):
        assert torch.equal(new, old)
    is_left = ~batch.labels.is_right
    assert (once.keypoints_img - batch.labels.keypoints_img)[is_left].abs().max() > 1


def test_unturned_camera_changes_nothing(make_batch):
    labels = make_batch(2, 2).labels
    same, homography = turn_camera(labels, rotations(labels, 0, 0, 0), unzoomed(labels))
    torch.testing.assert_close(homography, torch.eye(3).expand(2, 2, 3, 3))
    for name in ("focal", "princpt", "bbox_xyxy", "keypoints_img"):
        torch.testing.assert_close(getattr(same, name), getattr(labels, name), **PIXELS)
    torch.testing.assert_close(same.keypoints_cam, labels.keypoints_cam, **METRES)


@pytest.mark.parametrize("axis_angle", [(0.0, 0.0, 1.2), (0.1, -0.2, 0.0), (0.1, 0.1, -2.0)])
def test_turned_camera_moves_points_and_pixels_alike(make_batch, axis_angle):
    batch = make_batch(4, 2)
    labels, _ = mirror_to_right(batch.labels, widths(batch))
    focal_scale = torch.tensor([1.1, 0.8]).expand(4, 2, 2)
    turned, homography = turn_camera(labels, rotations(labels, *axis_angle), focal_scale)
    torch.testing.assert_close(turned.focal, labels.focal * focal_scale)
    moved = apply_homography(homography, labels.keypoints_img)
    torch.testing.assert_close(turned.keypoints_img, moved, **PIXELS)
    torch.testing.assert_close(projected(turned), moved, **PIXELS)
    torch.testing.assert_close(posed_keypoints(turned), turned.keypoints_cam, **METRES)


def test_turning_by_hand(make_batch):
    """A quarter turn about the optical axis brings x to y, y to -x."""
    labels = make_batch(1).labels
    turned, _ = turn_camera(labels, rotations(labels, 0, 0, math.pi / 2), unzoomed(labels))
    x, y, z = labels.keypoints_cam.unbind(-1)
    torch.testing.assert_close(turned.keypoints_cam, torch.stack([-y, x, z], -1), **METRES)


def test_box_stays_tight_under_a_quarter_roll(make_batch):
    labels = make_batch(4, 2).labels
    turned, _ = turn_camera(labels, rotations(labels, 0, 0, math.pi / 2), unzoomed(labels))
    tight = bbox_from_points(turned.keypoints_img, turned.keypoints_img_valid)
    torch.testing.assert_close(turned.bbox_xyxy, tight, **PIXELS)


def test_box_keeps_its_margins_under_zoom(make_batch):
    labels = make_batch(4, 2).labels
    margin = torch.tensor([-8.0, -4.0, 6.0, 2.0])
    labels = labels._replace(bbox_xyxy=labels.bbox_xyxy + margin)
    turned, homography = turn_camera(labels, rotations(labels, 0, 0, 0), 1.5 * unzoomed(labels))
    corners = apply_homography(homography, labels.bbox_xyxy.unflatten(-1, (2, 2))).flatten(-2)
    torch.testing.assert_close(turned.bbox_xyxy, corners, **PIXELS)


def test_box_without_keypoints_keeps_its_size(make_batch):
    labels = make_batch(2, 2).labels
    labels = labels._replace(
        keypoints_img=torch.zeros_like(labels.keypoints_img),
        keypoints_img_valid=torch.zeros_like(labels.keypoints_img_valid),
    )
    turned, homography = turn_camera(labels, rotations(labels, 0, 0, 0.5), 1.5 * unzoomed(labels))
    center = bbox_center(labels.bbox_xyxy)[..., None, :]
    moved = apply_homography(homography, center)[..., 0, :]
    torch.testing.assert_close(bbox_center(turned.bbox_xyxy), moved, **PIXELS)
    size = bbox_size(labels.bbox_xyxy)
    area = bbox_size(turned.bbox_xyxy).prod(-1) / size.prod(-1)
    anisotropy = (labels.focal[..., 0] / labels.focal[..., 1]).max()
    assert ((area.sqrt() - 1.5).abs() < anisotropy - 1 + 0.01).all()
    assert turned.keypoints_img.isfinite().all()


def test_box_of_a_hand_cut_by_the_image_border_stays_a_box(make_batch):
    """Some data sets clip boxes to the image, so that keypoints lie far outside of them."""
    labels = make_batch(4, 2).labels
    x0, y0, x1, y1 = labels.bbox_xyxy.unbind(-1)
    labels = labels._replace(bbox_xyxy=torch.stack([x0, y0, x0 + 0.2 * (x1 - x0), y1], -1))
    for roll in (0.3, math.pi / 2, 2.5):
        homography = turn_camera(labels, rotations(labels, 0, 0, roll), unzoomed(labels))[1]
        moved = bbox_size(move_bbox(labels, homography))
        assert (moved > 0.1 * bbox_size(labels.bbox_xyxy).amin(-1, keepdim=True)).all()


def test_jittered_box_by_hand(make_batch):
    labels = make_batch(1).labels._replace(bbox_xyxy=torch.tensor([[[10.0, 20, 30, 60]]]))
    shift, scale = torch.tensor([[[0.5, -0.25]]]), torch.tensor([[2.0]])
    moved = jitter_boxes(labels, shift, scale).bbox_xyxy
    torch.testing.assert_close(moved, torch.tensor([[[10.0, -10, 50, 70]]]))
