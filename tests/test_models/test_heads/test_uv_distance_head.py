import math

import pytest
import torch
from torch import Tensor, nn

from handvit.geometry.camera import project
from handvit.models.heads import UvDistanceHead
from handvit.models.heads.uv_distance_head import UvDistance, prior_distance
from handvit.registry import MODELS
from handvit.structures import HandCrops, HandLabels

GRID, BINS = 32, 8
BIN_WIDTH = 1.46 / BINS
CELL = 1.5 / GRID  # in crop sides
SURE = 50.0  # logit
CFG = dict(
    prior_scale=0.121,
    heatmap_loss=dict(type="HeatmapCELoss", weight=0.1, std=0.03),
    bin_loss=dict(type="MultiBinLoss", bin_weight=0.1, residual_weight=1.0),
)


@pytest.fixture
def head() -> UvDistanceHead:
    """A head whose token is its answer: heatmap logits, bin logits, residuals."""
    dim = GRID * GRID + 2 * BINS
    head = MODELS.build(
        dict(type="UvDistanceHead", dim=dim, cells_per_side=GRID, num_bins=BINS, **CFG)
    )
    nn.init.zeros_(head.heatmap.to_logits.bias)
    with torch.no_grad():
        head.heatmap.to_logits.weight.copy_(torch.eye(dim)[: GRID * GRID])
        head.bins.linear.weight.copy_(torch.eye(dim)[GRID * GRID :])
    return head


def answer(uv_logits: Tensor, bins: Tensor, residuals: Tensor) -> Tensor:
    return torch.cat([uv_logits.flatten(-2), bins, residuals], -1)


def right_answer(crops: HandCrops) -> Tensor:
    """The token that says what the labels say, by its own arithmetic."""
    wrist = crops.keypoints_crop[..., 0, :]
    place = (wrist + 0.5) / crops.crop.shape[-1]  # (B, T, 2) in crop sides
    line = -0.25 + (torch.arange(GRID) + 0.5) * CELL
    x, y = ((line - place[..., None]) / 0.03).square().unbind(-2)  # (B, T, GRID) each
    uv_logits = -(y[..., :, None] + x[..., None, :]) / 2

    distance = crops.labels.keypoints_cam[..., 0, :].norm(dim=-1)
    ratio = (distance / prior_distance(crops.labels, 0.121)).log()
    index = ((ratio + 0.71) / BIN_WIDTH).floor()
    residual = (ratio + 0.71) / BIN_WIDTH - index - 0.5
    bins = SURE * nn.functional.one_hot(index.long(), BINS)
    return answer(uv_logits, bins, residual[..., None].expand(*bins.shape))


def resized(labels: HandLabels, scale: float) -> HandLabels:
    """The same hand in the image resized by ``scale``."""
    return labels._replace(
        bbox_xyxy=scale * (labels.bbox_xyxy + 0.5) - 0.5,
        focal=scale * labels.focal,
        princpt=scale * (labels.princpt + 0.5) - 0.5,
    )


def place(head: UvDistanceHead, token: Tensor, crops: HandCrops) -> UvDistance:
    """Place labelled hands."""
    keypoints_cam = crops.labels.keypoints_cam
    return head(token, crops, keypoints_cam - keypoints_cam[..., :1, :])


def with_labels(crops: HandCrops, **fields: Tensor) -> HandCrops:
    return crops._replace(labels=crops.labels._replace(**fields))


def test_right_answer_gives_the_right_place(head, make_crops):
    crops = make_crops(8)
    root = place(head, right_answer(crops), crops)
    wanted = crops.labels.keypoints_cam[..., 0, :]
    torch.testing.assert_close(root.root_cam, wanted, rtol=0, atol=1e-3)
    depth = root.root_cam[..., 2]  # an untrained spread is one bin
    torch.testing.assert_close(root.depth_std, depth * BIN_WIDTH, rtol=1e-3, atol=0)


def test_nearest_bin_alone_is_good_to_half_a_bin(head, make_crops):
    crops = make_crops(8)
    token = right_answer(crops)
    token[..., -BINS:] = 0
    distance = place(head, token, crops).root_cam.norm(dim=-1)
    wanted = crops.labels.keypoints_cam[..., 0, :].norm(dim=-1)
    assert ((distance / wanted).log().abs() <= BIN_WIDTH / 2 + 1e-4).all()


def test_cell_and_bin_by_hand(head, make_crops):
    """Cell (row 3, column 20) of the heatmap, bin 5 without a residual."""
    crops = make_crops(1)
    uv_logits, bins = torch.zeros(1, 1, GRID, GRID), torch.zeros(1, 1, BINS)
    uv_logits[..., 3, 20], bins[..., 5] = SURE, SURE
    root = place(head, answer(uv_logits, bins, torch.zeros(1, 1, BINS)), crops)
    pixel = project(root.root_cam[..., None, :], crops.focal_crop, crops.princpt_crop)
    x, y = (-0.25 + 20.5 * 1.5 / 32) * 64 - 0.5, (-0.25 + 3.5 * 1.5 / 32) * 64 - 0.5
    torch.testing.assert_close(pixel[0, 0, 0], torch.tensor([x, y]), rtol=0, atol=1e-2)
    ratio = root.root_cam.norm(dim=-1) / prior_distance(crops.labels, 0.121)
    wanted = torch.full((1, 1), math.exp(-0.71 + 5.5 * 1.46 / 8))
    torch.testing.assert_close(ratio, wanted)


def test_spread_of_the_bins_is_the_uncertainty(head, make_crops):
    crops = make_crops(1)
    bins = torch.tensor([0.0, 0, SURE, SURE, 0, 0, 0, 0]).expand(1, 1, BINS)
    token = answer(torch.zeros(1, 1, GRID, GRID), bins, torch.zeros(1, 1, BINS))
    root = place(head, token, crops)
    wanted = root.root_cam[..., 2] * BIN_WIDTH * math.sqrt(1 + 1 / 4)
    torch.testing.assert_close(root.depth_std, wanted)


def test_uncertainty_is_that_of_the_depth_not_of_the_distance(head, make_crops):
    """Seen aside, a wrist's depth is a smaller number than its distance, and so is its spread."""
    crops = make_crops(2)
    aside = crops._replace(princpt_crop=crops.princpt_crop - 1.5 * crops.focal_crop)
    token = torch.randn(2, 1, GRID * GRID + 2 * BINS)
    root = place(head, token, aside)
    assert (root.root_cam[..., 2] < 0.6 * root.root_cam.norm(dim=-1)).all()
    wanted = root.root_cam[..., 2] * root.log_ratio.std
    torch.testing.assert_close(root.depth_std, wanted)


def test_untrained_head_says_the_prior(make_crops):
    crops = make_crops(2)
    root = place(UvDistanceHead(8, **CFG), torch.randn(2, 1, 8), crops)
    middle = (0.75 - 0.71) / 2
    wanted = prior_distance(crops.labels, 0.121) * math.exp(middle)
    torch.testing.assert_close(root.root_cam.norm(dim=-1), wanted)


def test_prior_by_hand(make_crops):
    """A 50 x 200 px box at the principal point, f = 400 x 900: 0.121 * 600 / 100 metres."""
    labels = make_crops(1).labels._replace(
        bbox_xyxy=torch.tensor([[[75.0, 0, 125, 200]]]),
        focal=torch.tensor([[[400.0, 900.0]]]),
        princpt=torch.tensor([[[100.0, 100.0]]]),
    )
    torch.testing.assert_close(prior_distance(labels, 0.121), torch.tensor([[0.726]]))
    # Seen aside, at x = 0.75: the ray (0.75, 0, 1) is 1.25 long.
    aside = labels._replace(princpt=torch.tensor([[[-200.0, 100.0]]]))
    torch.testing.assert_close(prior_distance(aside, 0.121), torch.tensor([[0.726 * 1.25]]))


def test_prior_does_not_depend_on_the_image_size(make_crops):
    labels = make_crops(4).labels
    half = prior_distance(resized(labels, 0.5), 0.121)
    torch.testing.assert_close(half, prior_distance(labels, 0.121))


def test_prior_is_near_the_truth_for_real_hands(make_crops):
    labels = make_crops(16).labels
    ratio = labels.keypoints_cam[..., 0, :].norm(dim=-1) / prior_distance(labels, 0.121)
    assert (ratio.log() > -0.71).all() and (ratio.log() < 0.75).all()


def test_truth_costs_least(head, make_crops):
    crops = make_crops(4)
    token = right_answer(crops).requires_grad_()
    terms = head.loss(place(head, token, crops), crops)
    names = ("heatmap", "bin", "residual", "spread")
    assert set(terms) == {f"loss_root_{name}" for name in names}
    torch.testing.assert_close(terms["loss_root_bin"], torch.tensor(0.0), rtol=0, atol=1e-6)
    torch.testing.assert_close(terms["loss_root_residual"], torch.tensor(0.0), rtol=0, atol=1e-5)
    (gradient,) = torch.autograd.grad(terms["loss_root_heatmap"], token)
    assert gradient.abs().max() < 1e-4
    for noise in (0.5, 2.0):
        other = token.detach() + noise * torch.randn_like(token)
        worse = head.loss(place(head, other, crops), crops)
        assert all(
            worse[name] > terms[name] for name in ("loss_root_heatmap", "loss_root_residual")
        )


def test_losses_by_hand(head, make_crops):
    """Without any idea, each cross-entropy is the log of the number of classes."""
    crops = make_crops(4)
    token = torch.zeros(4, 1, GRID * GRID + 2 * BINS)
    terms = head.loss(place(head, token, crops), crops)
    heatmap, bins = 0.1 * math.log(GRID * GRID), 0.1 * math.log(BINS)
    torch.testing.assert_close(terms["loss_root_heatmap"], torch.tensor(heatmap))
    torch.testing.assert_close(terms["loss_root_bin"], torch.tensor(bins))
    residual = right_answer(crops)[..., -1].abs().mean() * BIN_WIDTH
    torch.testing.assert_close(terms["loss_root_residual"], residual, rtol=0, atol=1e-5)


def test_distances_beyond_the_bins_go_to_the_last_one(head, make_crops):
    crops = make_crops(2)
    far = crops.labels.keypoints_cam * torch.tensor([0.1, 10.0]).view(2, 1, 1, 1)
    far = with_labels(crops, keypoints_cam=far)
    bins = SURE * nn.functional.one_hot(torch.tensor([[0], [BINS - 1]]), BINS)
    token = answer(torch.zeros(2, 1, GRID, GRID), bins, torch.zeros(2, 1, BINS))
    terms = head.loss(place(head, token, far), far)
    torch.testing.assert_close(terms["loss_root_bin"], torch.tensor(0.0), rtol=0, atol=1e-5)
    assert 1 < terms["loss_root_residual"] < 3


@pytest.mark.parametrize(("far", "end"), [(-3.0, -0.25), (4.0, 1.25)])
def test_pixels_beyond_the_heatmap_count_as_at_its_end(head, make_crops, far, end):
    crops, token = make_crops(1), torch.randn(1, 1, GRID * GRID + 2 * BINS)
    root = place(head, token, crops)
    terms = []
    for crop_sides in (end, far):
        keypoints_crop = crops.keypoints_crop.clone()
        keypoints_crop[0, 0, 0] = torch.tensor([crop_sides, 0.5]) * crops.crop.shape[-1] - 0.5
        other = crops._replace(keypoints_crop=keypoints_crop)
        terms.append(head.loss(root, other)["loss_root_heatmap"])
    torch.testing.assert_close(terms[1], terms[0], rtol=1e-4, atol=0)


@pytest.mark.parametrize("missing", ["camera", "wrist"])
def test_distance_counts_with_a_real_camera_and_a_labelled_wrist_only(head, make_crops, missing):
    crops = make_crops(2)
    both, wrist = torch.ones(2, 1, dtype=torch.bool), crops.labels.keypoints_cam_valid.clone()
    if missing == "camera":
        both[1] = False
    else:
        wrist[1, 0, 0] = False
    half = with_labels(crops, camera_valid=both, keypoints_cam_valid=wrist)
    token = torch.randn(2, 1, GRID * GRID + 2 * BINS)
    other = torch.stack([token[0], torch.randn_like(token[1])])
    here, there = (head.loss(place(head, tokens, half), half) for tokens in (token, other))
    assert here["loss_root_bin"] == there["loss_root_bin"] > 0
    assert here["loss_root_residual"] == there["loss_root_residual"] > 0
    assert here["loss_root_heatmap"] != there["loss_root_heatmap"]  # a pixel needs no camera


def test_nothing_labelled_gives_zero_and_no_gradient(head, make_crops):
    crops = make_crops(2)
    labels = crops.labels
    nothing = with_labels(
        crops,
        keypoints_cam=torch.zeros_like(labels.keypoints_cam),
        keypoints_cam_valid=torch.zeros_like(labels.keypoints_cam_valid),
        keypoints_img_valid=torch.zeros_like(labels.keypoints_img_valid),
    )
    token = torch.randn(2, 1, GRID * GRID + 2 * BINS, requires_grad=True)
    terms = head.loss(place(head, token, nothing), nothing)
    assert all(term == 0 for term in terms.values())
    sum(terms.values()).backward()
    assert not token.grad.any()
    assert not any(parameter.grad.any() for parameter in head.parameters())


def test_every_parameter_gets_a_gradient_from_place_and_deviation(make_crops):
    head = UvDistanceHead(8, **CFG)
    root = place(head, torch.randn(2, 1, 8), make_crops(2))
    (root.root_cam.sum() + root.depth_std.sum()).backward()
    for name, parameter in head.named_parameters():
        assert parameter.grad.isfinite().all() and parameter.grad.any(), name


def test_norm_by_hand_takes_the_scale_of_the_hand(make_crops):
    """In training that of the labelled hand, for the place that of the predicted one."""
    head = UvDistanceHead(8, unit=dict(type="HandSizeUnit"), **{**CFG, "prior_scale": 1.6})
    nn.init.normal_(head.bins.linear.weight, std=0.1)
    crops, token = make_crops(2), torch.randn(2, 1, 8)
    keypoints_cam = crops.labels.keypoints_cam
    hand = keypoints_cam - keypoints_cam[..., :1, :]
    assert torch.equal(head(token, crops, hand).root_cam, head(token, crops, 2 * hand).root_cam)
    head.eval()
    small, large = head(token, crops, hand), head(token, crops, 1.2 * hand)
    torch.testing.assert_close(large.root_cam, 1.2 * small.root_cam)
    torch.testing.assert_close(large.depth_std, 1.2 * small.depth_std)

    grown = with_labels(crops, keypoints_cam=1.2 * keypoints_cam)
    here, there = head.loss(small, crops), head.loss(small, grown)
    torch.testing.assert_close(here["loss_root_residual"], there["loss_root_residual"])
    no_finger = crops.labels.keypoints_cam_valid.clone()
    no_finger[..., 12] = False
    unknown = with_labels(crops, keypoints_cam_valid=no_finger)
    assert head.loss(small, unknown)["loss_root_residual"] == 0


@pytest.mark.parametrize(("unit", "wanted"), [("MetreUnit", 0.121), ("HandSizeUnit", 1.6)])
def test_statistics_tell_the_prior_in_its_unit(statistics, unit, wanted):
    cfg = {**CFG, "prior_scale": None, "statistics": statistics.to_json()}
    head = UvDistanceHead(8, unit=dict(type=unit), **cfg)
    torch.testing.assert_close(head.prior_scale, torch.tensor(wanted))


@pytest.mark.parametrize("change", [dict(prior_scale=None), dict(statistics="some.json")])
def test_prior_has_one_source(change):
    with pytest.raises(ValueError, match="either statistics='FILE' or prior_scale"):
        UvDistanceHead(8, **{**CFG, **change})


def test_frames_are_independent(head, make_crops):
    crops = make_crops(2, 3)
    token = torch.randn(2, 3, GRID * GRID + 2 * BINS)
    together = place(head, token, crops).root_cam[:, -1:]
    torch.testing.assert_close(together, place(head, token[:, -1:], crops.last_frame()).root_cam)


def test_checkpoints_carry_the_prior_but_no_cells():
    assert set(UvDistanceHead(8, **CFG).state_dict()) == {
        "heatmap.to_logits.weight",
        "heatmap.to_logits.bias",
        "bins.linear.weight",
        "bins.linear.bias",
        "bins.to_spreads.weight",
        "bins.to_spreads.bias",
        "prior_scale",
    }
