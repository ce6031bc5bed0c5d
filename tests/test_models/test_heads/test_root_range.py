import torch

from handvit.models.heads.root_range import RootRange
from handvit.structures.hand_size import middle_finger_length

METRES, HAND_SIZES = dict(type="MetreUnit"), dict(type="HandSizeUnit")


def build(statistics, unit=None) -> RootRange:
    return RootRange(statistics.to_json(), unit=unit).eval()


def test_targets_in_metres_by_hand(statistics, make_crops):
    """Metres unless told otherwise; mean (0.01, 0.05, 0.55), deviations (0.03, 0.03, 0.05)."""
    labels = make_crops(2).labels
    for unit in (None, METRES):
        target, known = build(statistics, unit).target(labels)
        place = target * torch.tensor([0.03, 0.03, 0.05]) + torch.tensor([0.01, 0.05, 0.55])
        torch.testing.assert_close(place, labels.keypoints_cam[..., 0, :])
        assert known.all()


def test_hand_sizes_do_not_change_when_hand_and_distance_grow(statistics, make_crops):
    labels = make_crops(2).labels
    larger = labels._replace(keypoints_cam=labels.keypoints_cam * 1.3)
    by_hand = build(statistics, HAND_SIZES)
    here, there = by_hand.target(labels)[0], by_hand.target(larger)[0]
    torch.testing.assert_close(here, there)
    sizes = middle_finger_length(labels.keypoints_cam)[..., None]
    place = here * torch.tensor([0.4, 0.4, 0.8]) + torch.tensor([0.1, 0.6, 7.0])
    torch.testing.assert_close(place * sizes, labels.keypoints_cam[..., 0, :])


def test_placing_a_target_gives_the_labelled_wrist_back(statistics, make_crops):
    labels = make_crops(2).labels
    depth_std = torch.full((2, 1), 0.5)
    for unit, scale in ((METRES, 0.05), (HAND_SIZES, 0.8)):
        wrists = build(statistics, unit)
        target, _ = wrists.target(labels)
        root_cam, std = wrists.place(target, depth_std, labels.keypoints_cam, labels)
        torch.testing.assert_close(root_cam, labels.keypoints_cam[..., 0, :])
        size = middle_finger_length(labels.keypoints_cam) if unit is HAND_SIZES else 1.0
        torch.testing.assert_close(std, depth_std * scale * size)


def test_known_where_camera_wrist_and_unit_are(statistics, make_crops):
    labels = make_crops(4).labels
    camera, joints = labels.camera_valid.clone(), labels.keypoints_cam_valid.clone()
    camera[1] = False
    joints[2, 0, 0] = False
    joints[3, 0, 11] = False  # of the middle finger
    labels = labels._replace(camera_valid=camera, keypoints_cam_valid=joints)
    _, metres = build(statistics, METRES).target(labels)
    _, sizes = build(statistics, HAND_SIZES).target(labels)
    assert metres[:, 0].tolist() == [True, False, False, True]
    assert sizes[:, 0].tolist() == [True, False, False, False]


def test_unlabelled_hands_stay_finite(statistics, make_crops):
    labels = make_crops(1).labels
    labels = labels._replace(keypoints_cam=torch.zeros_like(labels.keypoints_cam))
    target, _ = build(statistics, HAND_SIZES).target(labels)
    assert target.isfinite().all()
