import math

import pytest
import torch
from torch import Tensor

from handvit.models.heads import XyDepthHead
from handvit.registry import MODELS
from handvit.structures import HandCrops
from handvit.structures.hand_size import middle_finger_length

UNITS = ("MetreUnit", "HandSizeUnit")


def build(statistics, unit: str = "MetreUnit", dim: int = 8) -> XyDepthHead:
    return MODELS.build(
        dict(
            type="XyDepthHead",
            dim=dim,
            statistics=statistics.to_json(),
            heatmap_loss=dict(type="HeatmapCELoss", weight=0.1, std=0.3),
            bin_loss=dict(type="MultiBinLoss", bin_weight=0.1, residual_weight=1.0),
            unit=dict(type=unit),
            num_cells=50,
            num_bins=6,
        )
    )


def hand_of(crops: HandCrops) -> Tensor:
    keypoints_cam = crops.labels.keypoints_cam
    return keypoints_cam - keypoints_cam[..., :1, :]


@pytest.mark.parametrize("unit", UNITS)
def test_place_by_hand(statistics, make_crops, unit):
    """Bin 4 of 6 over +-3 deviations is 1.5 of them; a residual of 0.25 widths adds 0.25."""
    head, crops = build(statistics, unit), make_crops(2)
    with torch.no_grad():
        for heatmap, place in ((head.x_heatmap, 0.5), (head.y_heatmap, -1.0)):
            heatmap.to_logits.weight.zero_()
            heatmap.to_logits.bias.copy_(-((heatmap.cells[:, 0] - place) / 0.3).square() / 2)
        head.bins.linear.bias[4] = 50.0
        head.bins.linear.bias[6 + 4] = 0.25
    root = head(torch.randn(2, 1, 8), crops, hand_of(crops))
    if unit == "MetreUnit":
        wanted = torch.tensor([0.01 + 0.5 * 0.03, 0.05 - 0.03, 0.55 + 1.75 * 0.05])
    else:
        size = middle_finger_length(hand_of(crops))[..., None]
        wanted = torch.tensor([0.1 + 0.5 * 0.4, 0.6 - 0.4, 7.0 + 1.75 * 0.8]) * size
    torch.testing.assert_close(root.root_cam, wanted.expand(2, 1, 3), rtol=0, atol=1e-4)
    deviation = 0.05 if unit == "MetreUnit" else 0.8 * size[..., 0]  # an untrained spread: a bin
    torch.testing.assert_close(root.depth_std, torch.ones(2, 1) * deviation)


def test_spread_of_the_bins_is_the_uncertainty(statistics, make_crops):
    head, crops = build(statistics), make_crops(1)
    with torch.no_grad():
        head.bins.linear.bias[2:4] = 50.0  # half at -0.5 and half at 0.5 deviations
    root = head(torch.randn(1, 1, 8), crops, hand_of(crops))
    wanted = 0.05 * math.sqrt(1 + 0.5**2)
    torch.testing.assert_close(root.depth_std, torch.full((1, 1), wanted))


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
    head, crops = build(statistics, unit, dim=1), make_crops(1)
    token = torch.ones(1, 1, 1)
    optimizer = torch.optim.Adam(head.parameters(), lr=0.2)
    schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.001, total_iters=300)
    for _ in range(300):
        optimizer.zero_grad()
        sum(head.loss(head(token, crops, hand_of(crops)), crops).values()).backward()
        optimizer.step()
        schedule.step()
    wanted = crops.labels.keypoints_cam[..., 0, :]
    found = head(token, crops, hand_of(crops)).root_cam
    torch.testing.assert_close(found, wanted, rtol=0, atol=2e-3)


@pytest.mark.parametrize("axis", range(2))
def test_labels_beyond_the_range_count_as_at_its_end(statistics, make_crops, axis):
    """100 deviations away the whole blob would sit in the last cell."""
    head, crops = build(statistics), make_crops(1)
    for heatmap in (head.x_heatmap, head.y_heatmap):
        torch.nn.init.normal_(heatmap.to_logits.weight)
    root = head(torch.randn(1, 1, 8), crops, hand_of(crops))
    terms = []
    for deviations in (5.0, 100.0):
        keypoints_cam = crops.labels.keypoints_cam.clone()
        keypoints_cam[0, 0, 0, axis] = head.range.mean[axis] + deviations * head.range.std[axis]
        labels = crops.labels._replace(keypoints_cam=keypoints_cam)
        terms.append(head.loss(root, crops._replace(labels=labels))["loss_root_heatmap"])
    torch.testing.assert_close(terms[1], terms[0], rtol=1e-4, atol=0)


def test_nothing_labelled_gives_zero_and_no_gradient(statistics, make_crops):
    head, crops = build(statistics), make_crops(2)
    guessed = crops.labels._replace(camera_valid=torch.zeros(2, 1, dtype=torch.bool))
    crops = crops._replace(labels=guessed)
    terms = head.loss(head(torch.randn(2, 1, 8), crops, hand_of(crops)), crops)
    names = ("heatmap", "bin", "residual", "spread")
    assert set(terms) == {f"loss_root_{name}" for name in names}
    assert all(term == 0 for term in terms.values())
    sum(terms.values()).backward()
    assert not any(parameter.grad.any() for parameter in head.parameters())


def test_every_parameter_gets_a_gradient_from_place_and_deviation(statistics, make_crops):
    head, crops = build(statistics), make_crops(2)
    root = head(torch.randn(2, 1, 8), crops, hand_of(crops))
    (root.root_cam.sum() + root.depth_std.sum()).backward()
    for name, parameter in head.named_parameters():
        assert parameter.grad.isfinite().all() and parameter.grad.any(), name
