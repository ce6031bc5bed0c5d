import math

import pytest
import torch
from torch import Tensor

from handvit.geometry.camera import project
from handvit.models.heads import WeakPerspectiveHead
from handvit.registry import MODELS
from handvit.structures import HandCrops

FOCALS = {"true": dict(type="TrueFocal"), "fixed": dict(type="FixedFocal")}


def build(focal: str = "true", dim: int = 8) -> WeakPerspectiveHead:
    return MODELS.build(dict(type="WeakPerspectiveHead", dim=dim, focal=FOCALS[focal]))


def hand_of(crops: HandCrops) -> Tensor:
    keypoints_cam = crops.labels.keypoints_cam
    return keypoints_cam - keypoints_cam[..., :1, :]


def say(head: WeakPerspectiveHead, scale: float, shift: tuple[float, float], std: float) -> None:
    with torch.no_grad():
        head.linear.weight.zero_()
        raw_scale, raw_std = (
            4 * math.atanh(math.log(value) / 4) for value in (scale / 7.0, std / 0.1)
        )
        head.linear.bias.copy_(torch.tensor([raw_scale, *shift, raw_std]))


def test_depth_by_hand(make_crops):
    """A crop 64 px wide, f = 320 px: 2 * 320 / (64 * 10) = 1 metre, straight ahead."""
    crops = make_crops(1)._replace(
        focal_crop=torch.tensor([[[256.0, 400.0]]]), princpt_crop=torch.tensor([[[31.5, 31.5]]])
    )
    head = build()
    say(head, scale=10.0, shift=(0.02, -0.03), std=0.1)
    root = head(torch.randn(1, 1, 8), crops, hand_of(crops))
    torch.testing.assert_close(root.root_cam[0, 0], torch.tensor([0.02, -0.03, 1.0]))
    torch.testing.assert_close(root.depth_std[0, 0], torch.tensor(0.1))


def test_crop_aside_is_seen_along_its_ray(make_crops):
    crops = make_crops(2)
    head = build()
    say(head, scale=8.0, shift=(0.0, 0.0), std=0.1)
    root = head(torch.randn(2, 1, 8), crops, hand_of(crops))
    pixel = project(root.root_cam[..., None, :], crops.focal_crop, crops.princpt_crop)
    torch.testing.assert_close(pixel, torch.full((2, 1, 1, 2), 31.5), rtol=0, atol=1e-3)


def test_fixed_focal_puts_hands_far_too_far(make_crops):
    """The depth is wrong by the ratio of the focal lengths, the projection is not."""
    crops, token = make_crops(2), torch.randn(2, 1, 8)
    true, fixed = build("true"), build("fixed")
    fixed.load_state_dict(true.state_dict())
    near, far = (head(token, crops, hand_of(crops)) for head in (true, fixed))
    ratio = 1250.0 / crops.focal_crop.prod(-1).sqrt()
    torch.testing.assert_close(far.root_cam[..., 2], near.root_cam[..., 2] * ratio)
    shift = far.keypoints_crop - near.keypoints_crop
    assert shift.abs().max() < 6  # px of 64: perspective inside the hand


@pytest.mark.parametrize("focal", FOCALS)
def test_keypoints_alone_find_the_place(make_crops, focal):
    head, crops = build(focal, dim=1), make_crops(1)
    token = torch.ones(1, 1, 1)
    optimizer = torch.optim.Adam(head.parameters(), lr=0.02)
    schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.001, total_iters=300)
    for _ in range(300):
        optimizer.zero_grad()
        sum(head.loss(head(token, crops, hand_of(crops)), crops).values()).backward()
        optimizer.step()
        schedule.step()
    root = head(token, crops, hand_of(crops))
    miss = (root.keypoints_crop - crops.keypoints_crop).norm(dim=-1).mean()
    error = (root.root_cam - crops.labels.keypoints_cam[..., 0, :]).norm()
    if focal == "true":
        assert miss < 0.5 and error < 0.01
    else:
        assert miss < 4 and error > 1  # metres


def test_uncertainty_learns_the_error_of_the_depth(make_crops):
    """The likelihood's optimum is std = sqrt(2) * |error|, and the depth feels nothing of it."""
    head, crops = build(dim=1), make_crops(1)
    say(head, scale=7.0, shift=(0.0, 0.0), std=0.3)
    token = torch.ones(1, 1, 1)
    optimizer = torch.optim.Adam(head.parameters(), lr=0.02)
    for _ in range(300):
        optimizer.zero_grad()
        head.loss(head(token, crops, hand_of(crops)), crops)["loss_depth_std"].backward()
        assert not head.linear.bias.grad[:3].any()
        optimizer.step()
    root = head(token, crops, hand_of(crops))
    error = (root.root_cam[..., 2] - crops.labels.keypoints_cam[..., 0, 2]).abs()
    torch.testing.assert_close(root.depth_std, math.sqrt(2) * error, rtol=0.02, atol=0)


def test_uncertainty_trains_its_own_row_only(make_crops):
    """As strongly as its weight says; what the token says of the place is left alone."""
    crops, token = make_crops(2), torch.randn(2, 1, 8, requires_grad=True)
    terms = {}
    for weight in (0.1, 0.3):
        torch.manual_seed(0)
        cfg = dict(type="WeakPerspectiveHead", dim=8, focal=FOCALS["true"], depth_weight=weight)
        head = MODELS.build(cfg)
        terms[weight] = head.loss(head(token, crops, hand_of(crops)), crops)["loss_depth_std"]
    torch.testing.assert_close(terms[0.3], 3 * terms[0.1])
    terms[0.3].backward()
    assert token.grad is None or not token.grad.any()
    assert not head.linear.weight.grad[:3].any() and head.linear.weight.grad[3].any()


def test_likelihood_by_hand(make_crops):
    """A wrist 0.2 m too far with std 0.1 m: scale b = 0.1 / sqrt(2), |miss| / b + log 2b."""
    crops = make_crops(1)
    labels = crops.labels
    keypoints_cam = labels.keypoints_cam.clone()
    keypoints_cam[..., 0, 2] = 0.8
    crops = crops._replace(
        labels=labels._replace(keypoints_cam=keypoints_cam),
        focal_crop=torch.full((1, 1, 2), 320.0),
    )
    cfg = dict(type="WeakPerspectiveHead", dim=8, focal=FOCALS["true"], depth_weight=0.5)
    head = MODELS.build(cfg)
    say(head, scale=10.0, shift=(0.0, 0.0), std=0.1)
    terms = head.loss(head(torch.randn(1, 1, 8), crops, hand_of(crops)), crops)
    scale = 0.1 / math.sqrt(2)
    wanted = torch.tensor(0.5 * (0.2 / scale + math.log(2 * scale)))
    torch.testing.assert_close(terms["loss_depth_std"], wanted, rtol=1e-4, atol=0)


def test_points_behind_the_camera_are_seen_a_centimetre_before_it(make_crops):
    """At x = 0.02 m and 0.01 m away, f = 320 px: 640 px right of the principal point."""
    crops = make_crops(1)._replace(
        focal_crop=torch.full((1, 1, 2), 320.0), princpt_crop=torch.full((1, 1, 2), 31.5)
    )
    head = build()
    say(head, scale=10.0, shift=(0.0, 0.0), std=0.1)  # the wrist is 1 m away
    hand = torch.zeros(1, 1, 21, 3)
    hand[..., 5, :] = torch.tensor([0.02, -0.01, -3.0])
    root = head(torch.randn(1, 1, 8), crops, hand)
    torch.testing.assert_close(root.keypoints_crop[0, 0, 5], torch.tensor([671.5, -288.5]))
    head.loss(root, crops)["loss_keypoints_crop"].backward()
    assert head.linear.weight.grad.isfinite().all()


def test_nothing_labelled_gives_zero_and_no_gradient(make_crops):
    head, crops = build(), make_crops(2)
    labels = crops.labels._replace(
        camera_valid=torch.zeros(2, 1, dtype=torch.bool),
        keypoints_img_valid=torch.zeros(2, 1, 21, dtype=torch.bool),
    )
    crops = crops._replace(labels=labels)
    terms = head.loss(head(torch.randn(2, 1, 8), crops, hand_of(crops)), crops)
    assert all(term == 0 for term in terms.values())
    sum(terms.values()).backward()
    assert not any(parameter.grad.any() for parameter in head.parameters())
