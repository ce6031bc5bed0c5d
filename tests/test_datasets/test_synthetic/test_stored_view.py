import numpy as np
import torch

from handvit.datasets.synthetic.stored_view import store_view
from handvit.geometry.camera import project


def test_camera_of_the_crop_sees_what_the_frame_sees(takes, sequences, generator):
    """A crop is the frame's pixels, resized: x -> s (x + 0.5 - x0 - 0.5 + ...)."""
    for take in [*takes[:10], *sequences[:2]]:
        view, size = take.view, generator.image_size
        focal, princpt = torch.from_numpy(take.camera.focal), torch.from_numpy(take.camera.princpt)
        frame = project(take.hand.keypoints_cam.double(), focal, princpt)
        low, side = view.crop_bbox_xyxy[:, None, :2], view.crop_bbox_xyxy[:, None, 2:]
        side = side - low
        expected = (frame - low) / side * size - 0.5
        torch.testing.assert_close(view.keypoints_img, expected, rtol=0, atol=2e-3)


def test_hand_fills_about_half(takes, sequences, generator):
    for take in [*takes, *sequences]:
        box = take.view.bbox_xyxy
        longer = (box[:, 2:] - box[:, :2]).amax(-1)
        context = generator.image_size / longer
        assert context.min() > 1.84 and context.max() < 2.16
        center = (box[:, :2] + box[:, 2:]) / 2 - (generator.image_size - 1) / 2
        assert center.abs().max() <= 0.061 * generator.image_size
    centers = torch.cat([take.view.bbox_xyxy.mean(-1) for take in takes])
    assert centers.std() > 0.5  # not always in the middle


def test_box_is_tight(takes):
    for take in takes:
        points = torch.cat([take.hand.vertices_cam, take.hand.keypoints_cam], dim=1).double()
        points_img = project(points, take.view.focal, take.view.princpt)
        expected = torch.cat([points_img.amin(1), points_img.amax(1)], dim=-1)
        torch.testing.assert_close(take.view.bbox_xyxy, expected, rtol=0, atol=1e-3)


def test_crop_is_square_and_drawn_from_the_generator(takes):
    take = takes[0]
    first, again, other = (
        store_view(np.random.default_rng(seed), take.hand, take.camera, 96) for seed in (0, 0, 1)
    )
    side = first.crop_bbox_xyxy[:, 2:] - first.crop_bbox_xyxy[:, :2]
    torch.testing.assert_close(side[:, 0], side[:, 1])
    assert first.crop_bbox_xyxy.equal(again.crop_bbox_xyxy)
    assert not first.crop_bbox_xyxy.equal(other.crop_bbox_xyxy)
