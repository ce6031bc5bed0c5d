import torch

from handvit.analysis import plain_crops
from handvit.geometry.camera import project
from handvit.registry import MODELS
from handvit.structures import HandCrops
from handvit.structures.hand_size import middle_finger_length


def test_shapes_and_types():
    crops = plain_crops(2, num_frames=3, crop_size=56)
    assert isinstance(crops, HandCrops)
    assert crops.crop.shape == (2, 3, 3, 56, 56)
    for tensor in [*crops[:6], *crops.labels[1:12], *crops.labels.mano, crops.labels.mano_valid]:
        assert tensor.shape[:2] == (2, 3)
    assert crops.labels.frame_time.dtype == torch.float64
    assert len(set(crops.labels.sample_id)) == 2


def test_labels_agree_with_the_camera():
    crops = plain_crops(1, crop_size=100)
    labels = crops.labels
    projected = project(labels.keypoints_cam, crops.focal_crop, crops.princpt_crop)
    torch.testing.assert_close(projected, crops.keypoints_crop)
    torch.testing.assert_close(projected[0, 0, 0], torch.tensor([49.5, 9.5]))
    torch.testing.assert_close(projected[0, 0, 20], torch.tensor([49.5, 89.5]))
    torch.testing.assert_close(labels.bbox_xyxy[0, 0], torch.tensor([24.5, 9.5, 74.5, 89.5]))
    torch.testing.assert_close(crops.crop_bbox_xyxy[0, 0], torch.tensor([-0.5, -0.5, 99.5, 99.5]))
    torch.testing.assert_close(labels.mano.root_cam, labels.keypoints_cam[..., 0, :])


def test_the_hand_has_a_size():
    length = middle_finger_length(plain_crops(2).labels.keypoints_cam)
    torch.testing.assert_close(length, torch.full((2, 1), 0.03))


def test_a_model_learns_from_them(vit_recipe):
    model = MODELS.build(vit_recipe().model)
    losses = model(plain_crops(2, crop_size=56), mode="loss")
    assert all(torch.isfinite(loss) for loss in losses.values())
    assert losses["loss_keypoints_rel"] > 0
