import pytest
import torch
from torch import Tensor

from handvit.models.heads import SoftArgmax3DHead
from handvit.registry import MODELS
from handvit.structures import HandCrops
from handvit.structures.hand_size import middle_finger_length

UNITS = ("MetreUnit", "HandSizeUnit")
CELLS = (40, 50, 60)


def build(statistics, unit: str = "MetreUnit", dim: int = 8) -> SoftArgmax3DHead:
    loss = dict(type="HeatmapCELoss", weight=0.1, std=0.3)
    cfg = dict(type="SoftArgmax3DHead", statistics=statistics.to_json(), heatmap_loss=loss)
    return MODELS.build(dict(cfg, dim=dim, unit=dict(type=unit), num_cells=CELLS))


def hand_of(crops: HandCrops) -> Tensor:
    keypoints_cam = crops.labels.keypoints_cam
    return keypoints_cam - keypoints_cam[..., :1, :]


def sharpen(head: SoftArgmax3DHead, place: Tensor) -> None:
    """Let the head say one place (3,), in deviations, whatever the token."""
    with torch.no_grad():
        for axis, heatmap in enumerate(head.heatmaps):
            heatmap.to_logits.weight.zero_()
            blob = -((heatmap.cells[:, 0] - place[axis]) / 0.3).square() / 2
            heatmap.to_logits.bias.copy_(blob)


@pytest.mark.parametrize("unit", UNITS)
def test_place_by_hand(statistics, make_crops, unit):
    head, crops = build(statistics, unit), make_crops(2)
    sharpen(head, torch.tensor([0.5, -1.0, 2.0]))
    root = head(torch.randn(2, 1, 8), crops, hand_of(crops))
    if unit == "MetreUnit":
        wanted = torch.tensor([0.01 + 0.5 * 0.03, 0.05 - 0.03, 0.55 + 2 * 0.05])
        std = torch.full((2, 1), 0.3 * 0.05)
    else:
        size = middle_finger_length(hand_of(crops))
        wanted = torch.tensor([0.1 + 0.5 * 0.4, 0.6 - 0.4, 7.0 + 2 * 0.8]) * size[..., None]
        std = 0.3 * 0.8 * size
    torch.testing.assert_close(root.root_cam, wanted.expand(2, 1, 3), rtol=0, atol=1e-4)
    torch.testing.assert_close(root.depth_std, std, rtol=0.01, atol=0)


def test_untrained_head_says_the_mean(statistics, make_crops):
    crops = make_crops(2)
    root = build(statistics)(torch.randn(2, 1, 8), crops, hand_of(crops))
    wanted = torch.tensor([0.01, 0.05, 0.55]).expand(2, 1, 3)
    torch.testing.assert_close(root.root_cam, wanted, rtol=0, atol=5e-3)


def test_norm_by_hand_takes_the_scale_of_the_predicted_hand(statistics, make_crops):
    head, crops, token = build(statistics, "HandSizeUnit"), make_crops(2), torch.randn(2, 1, 8)
    head.eval()
    small = head(token, crops, hand_of(crops))
    large = head(token, crops, 1.2 * hand_of(crops))
    torch.testing.assert_close(large.root_cam, 1.2 * small.root_cam)
    torch.testing.assert_close(large.depth_std, 1.2 * small.depth_std)


@pytest.mark.parametrize("unit", UNITS)
def test_the_labelled_place_costs_least(statistics, make_crops, unit):
    """One gradient descent on the loss alone finds the labelled wrist."""
    head, crops = build(statistics, unit, dim=1), make_crops(1)
    token = torch.ones(1, 1, 1)
    optimizer = torch.optim.Adam(head.parameters(), lr=0.2)
    for _ in range(200):
        optimizer.zero_grad()
        (term,) = head.loss(head(token, crops, hand_of(crops)), crops).values()
        term.backward()
        optimizer.step()
    wanted = crops.labels.keypoints_cam[..., 0, :]
    found = head(token, crops, hand_of(crops)).root_cam
    torch.testing.assert_close(found, wanted, rtol=0, atol=2e-3)


@pytest.mark.parametrize("axis", range(3))
def test_labels_beyond_the_range_count_as_at_its_end(statistics, make_crops, axis):
    """100 deviations away the whole blob would sit in the last cell."""
    head, crops = build(statistics), make_crops(1)
    for heatmap in head.heatmaps:
        torch.nn.init.normal_(heatmap.to_logits.weight)
    root = head(torch.randn(1, 1, 8), crops, hand_of(crops))
    terms = []
    for deviations in (5.0, 100.0):
        keypoints_cam = crops.labels.keypoints_cam.clone()
        keypoints_cam[0, 0, 0, axis] = head.range.mean[axis] + deviations * head.range.std[axis]
        labels = crops.labels._replace(keypoints_cam=keypoints_cam)
        terms.append(head.loss(root, crops._replace(labels=labels)))
    torch.testing.assert_close(terms[1], terms[0], rtol=1e-4, atol=0)


def test_nothing_labelled_gives_zero_and_no_gradient(statistics, make_crops):
    head, crops = build(statistics), make_crops(2)
    guessed = crops.labels._replace(camera_valid=torch.zeros(2, 1, dtype=torch.bool))
    crops = crops._replace(labels=guessed)
    (term,) = head.loss(head(torch.randn(2, 1, 8), crops, hand_of(crops)), crops).values()
    term.backward()
    assert term == 0
    assert not any(parameter.grad.any() for parameter in head.parameters())


def test_every_parameter_gets_a_gradient_from_the_place_alone(statistics, make_crops):
    head, crops = build(statistics), make_crops(2)
    head(torch.randn(2, 1, 8), crops, hand_of(crops)).root_cam.sum().backward()
    for name, parameter in head.named_parameters():
        assert parameter.grad.isfinite().all() and parameter.grad.any(), name


def test_checkpoints_carry_the_range(statistics):
    assert {"range.mean", "range.std"} <= set(build(statistics).state_dict())
