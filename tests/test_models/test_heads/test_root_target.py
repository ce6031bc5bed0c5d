import torch

from handvit.models.heads import HandSizeUnit, MetreUnit
from handvit.models.heads.root_target import root_in_deviations
from handvit.structures.hand_size import middle_finger_length

MEAN, STD = torch.tensor([0.0, 0.1, 0.5]), torch.tensor([0.1, 0.1, 0.2])


def test_metres_by_hand(make_crops):
    labels = make_crops(2).labels
    place, valid = root_in_deviations(labels, MetreUnit(), MEAN, STD)
    torch.testing.assert_close(place * STD + MEAN, labels.keypoints_cam[..., 0, :])
    assert valid.all()


def test_hand_sizes_do_not_change_when_hand_and_distance_grow(make_crops):
    labels = make_crops(2).labels
    larger = labels._replace(keypoints_cam=labels.keypoints_cam * 1.3)
    here, _ = root_in_deviations(labels, HandSizeUnit(), MEAN, STD)
    there, _ = root_in_deviations(larger, HandSizeUnit(), MEAN, STD)
    torch.testing.assert_close(here, there)
    sizes = middle_finger_length(labels.keypoints_cam)[..., None]
    torch.testing.assert_close((here * STD + MEAN) * sizes, labels.keypoints_cam[..., 0, :])


def test_known_where_camera_wrist_and_unit_are(make_crops):
    labels = make_crops(4).labels
    camera, joints = labels.camera_valid.clone(), labels.keypoints_cam_valid.clone()
    camera[1] = False
    joints[2, 0, 0] = False
    joints[3, 0, 11] = False  # of the middle finger
    labels = labels._replace(camera_valid=camera, keypoints_cam_valid=joints)
    _, metres = root_in_deviations(labels, MetreUnit(), MEAN, STD)
    _, sizes = root_in_deviations(labels, HandSizeUnit(), MEAN, STD)
    assert metres[:, 0].tolist() == [True, False, False, True]
    assert sizes[:, 0].tolist() == [True, False, False, False]


def test_unlabelled_hands_stay_finite(make_crops):
    labels = make_crops(1).labels
    labels = labels._replace(keypoints_cam=torch.zeros_like(labels.keypoints_cam))
    place, _ = root_in_deviations(labels, HandSizeUnit(), MEAN, STD)
    assert place.isfinite().all()
