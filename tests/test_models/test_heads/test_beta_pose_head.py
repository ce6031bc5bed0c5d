import math

import numpy as np
import pytest
import scipy.stats
import torch
from torch import Tensor, nn
from torch.distributions import Beta

from handvit.geometry.rotation import axis_angle_to_matrix, matrix_to_axis_angle
from handvit.models.heads import BetaPoseHead
from handvit.models.heads.beta_pose_head import BetaPose
from handvit.registry import MODELS
from handvit.structures import HandCrops, HandStatistics, HandTokens


@pytest.fixture
def head(statistics) -> BetaPoseHead:
    cfg = dict(type="BetaPoseHead", dim=8, statistics=statistics.to_json(), nll_weight=0.5)
    return MODELS.build(cfg)


def silenced(head: BetaPoseHead) -> BetaPoseHead:
    """The head without what depends on the token."""
    for linear in (head.to_orient, head.to_mean, head.to_concentration):
        nn.init.zeros_(linear.weight)
    return head


def random_pose(head: BetaPoseHead, *leading: int) -> BetaPose:
    """Distributions of all shapes."""
    for linear in (head.to_mean, head.to_concentration):
        nn.init.normal_(linear.weight, std=1.0)
    return head(torch.randn(*leading, 8, dtype=head.low.dtype))


def with_angles(crops: HandCrops, angles: Tensor, **fields: Tensor) -> HandCrops:
    """The same crops with other finger angles (B, T, 15, 3) in the labels."""
    mano = crops.labels.mano._replace(hand_pose=axis_angle_to_matrix(angles))
    return crops._replace(labels=crops.labels._replace(mano=mano, **fields))


def scipy_beta(pose: BetaPose):
    return scipy.stats.beta(pose.alpha.detach().numpy(), pose.beta.detach().numpy())


def test_untrained_head_says_the_mean_pose(head, statistics):
    pose = silenced(head)(torch.randn(2, 3, 8))
    wanted = axis_angle_to_matrix(torch.from_numpy(statistics.pose_mean).float())
    assert pose.rotations.shape == (2, 3, 16, 3, 3)
    torch.testing.assert_close(pose.rotations[1, 2], wanted, rtol=0, atol=1e-5)


def test_untrained_head_says_the_spread_of_the_data(head, statistics):
    pose = silenced(head)(torch.randn(8))
    wanted = np.sqrt(np.diag(statistics.pose_covariance)[3:]).reshape(15, 3)
    torch.testing.assert_close(pose.angle_std, torch.from_numpy(wanted).float())


def test_spread_goes_to_its_angle(head, statistics):
    """Component 7 of the 48, y of the second finger joint, varies less than the others."""
    covariance = statistics.pose_covariance.copy()
    covariance[7, 7] = 0.01
    head.start_at(HandStatistics(**{**vars(statistics), "pose_covariance": covariance}))
    std = silenced(head)(torch.randn(8)).angle_std
    wanted = torch.full((15, 3), 0.2)
    wanted[1, 1] = 0.1
    torch.testing.assert_close(std, wanted)


def test_any_answer_is_within_the_limits(head):
    nn.init.normal_(head.to_mean.weight, std=100.0)
    nn.init.normal_(head.to_concentration.weight, std=100.0)
    pose = head(torch.randn(64, 8))
    angles = matrix_to_axis_angle(pose.rotations[:, 1:])
    assert (angles >= head.low).all() and (angles <= head.high).all()
    assert (pose.mean > 0).all() and (pose.mean < 1).all()
    assert (pose.concentration >= 2).all() and (pose.concentration <= 1000).all()
    assert (pose.alpha > 0).all() and (pose.beta > 0).all()


def test_angle_by_hand(head):
    """A mean of 1/4 and a concentration of 8 is Beta(2, 6), variance 1/48."""
    head = silenced(head)
    with torch.no_grad():
        head.to_mean.bias[4] = math.log((0.25 - 0.001) / (0.999 - 0.25))
        head.to_concentration.bias[4] = math.log((8 - 2) / (1000 - 8))
    pose = head(torch.randn(8))
    joint, axis = 1, 1  # angle 4 of 45
    torch.testing.assert_close(pose.alpha[joint, axis], torch.tensor(2.0))
    torch.testing.assert_close(pose.beta[joint, axis], torch.tensor(6.0))
    span = 1.7
    torch.testing.assert_close(pose.angle_std[joint, axis], torch.tensor(span / math.sqrt(48)))
    angle = matrix_to_axis_angle(pose.rotations[1 + joint])[axis]
    torch.testing.assert_close(angle, head.low[joint, axis] + span / 4)


def test_moments_agree_with_torch(head):
    head = head.double()
    pose = random_pose(head, 50)
    reference = Beta(pose.alpha, pose.beta)
    torch.testing.assert_close(pose.mean, reference.mean, rtol=0, atol=1e-12)
    std = (head.high - head.low) * reference.stddev
    torch.testing.assert_close(pose.angle_std, std, rtol=0, atol=1e-12)


def test_loss_is_the_negative_log_likelihood(head, make_crops):
    """Against SciPy's density of the angle, which is the density of y over the range."""
    head, crops = head.double(), make_crops(4)
    pose = random_pose(head, 4, 1)
    span = head.high - head.low
    angles = head.low + span * (0.1 + 0.8 * torch.rand(4, 1, 15, 3, dtype=torch.float64))
    terms = head.loss(pose, with_angles(crops, angles))
    shapes = (x.detach().numpy() for x in (pose.alpha, pose.beta))
    density = scipy.stats.beta.logpdf(angles, *shapes, loc=head.low, scale=span)
    wanted = -0.5 * (torch.from_numpy(density) + span.log()).mean()
    assert set(terms) == {"loss_hand_pose_nll"}
    torch.testing.assert_close(terms["loss_hand_pose_nll"], wanted, rtol=0, atol=1e-9)


def test_angles_beyond_the_limits_count_as_at_the_limits(head, make_crops):
    pose, crops = random_pose(head, 1, 1), make_crops(1)
    span = head.high - head.low
    wanted, beyond = (
        head.loss(pose, with_angles(crops, (head.low + part * span)[None, None]))
        for part in (0.001, -0.05)
    )
    assert beyond["loss_hand_pose_nll"].isfinite()
    torch.testing.assert_close(beyond, wanted, rtol=1e-3, atol=0)


def test_unlabelled_hands_do_not_count(head, make_crops):
    crops, pose = make_crops(2), random_pose(head, 2, 1)
    valid = torch.tensor([[True], [False]])
    half = crops._replace(labels=crops.labels._replace(mano_valid=valid))
    first = crops._replace(
        labels=crops.labels._replace(
            mano=type(crops.labels.mano)(*(x[:1] for x in crops.labels.mano)),
            mano_valid=valid[:1],
        )
    )
    alone = head.loss(BetaPose(*(x[:1] for x in pose)), first)
    torch.testing.assert_close(head.loss(pose, half), alone)


@pytest.mark.parametrize("filler", ["zeros", "identities"])
def test_nothing_labelled_gives_zero_and_no_gradient(head, make_crops, filler):
    crops = make_crops(2)
    hand_pose = (
        torch.zeros(2, 1, 15, 3, 3) if filler == "zeros" else torch.eye(3).expand(2, 1, 15, 3, 3)
    )
    labels = crops.labels
    nothing = labels._replace(
        mano=labels.mano._replace(hand_pose=hand_pose),
        mano_valid=torch.zeros_like(labels.mano_valid),
    )
    token = torch.randn(2, 1, 8, requires_grad=True)
    terms = head.loss(head(token), crops._replace(labels=nothing))
    assert terms["loss_hand_pose_nll"] == 0
    terms["loss_hand_pose_nll"].backward()
    assert not token.grad.any()


def test_every_parameter_gets_a_finite_gradient(head, make_crops):
    crops = make_crops(4)
    for std in (1e-3, 1.0, 100.0):  # until both ends of every range
        nn.init.normal_(head.to_mean.weight, std=std)
        nn.init.normal_(head.to_concentration.weight, std=std)
        head.zero_grad()
        pose = head(torch.randn(4, 1, 8))
        (pose.rotations.sum() + sum(head.loss(pose, crops).values())).backward()
        for name, parameter in head.named_parameters():
            assert parameter.grad.isfinite().all() and parameter.grad.any(), name


def test_gradient_of_the_likelihood(head, make_crops):
    head, crops = head.double(), make_crops(2)
    nn.init.normal_(head.to_mean.weight)
    nn.init.normal_(head.to_concentration.weight)
    token = torch.randn(2, 1, 8, dtype=torch.float64, requires_grad=True)
    crops = with_angles(crops, matrix_to_axis_angle(crops.labels.mano.hand_pose.double()))
    assert torch.autograd.gradcheck(
        lambda x: head.loss(head(x), crops)["loss_hand_pose_nll"], token
    )


@pytest.mark.parametrize("level", [0.5, 0.9, 0.99])
def test_interval_agrees_with_scipy(head, level):
    head = head.double()
    pose = random_pose(head, 5, 2)
    lower, upper = pose.interval(level)
    low, span = head.low.numpy(), (head.high - head.low).numpy()
    for ours, scipys in zip((lower, upper), scipy_beta(pose).interval(level), strict=True):
        np.testing.assert_allclose(ours.numpy(), low + span * scipys, atol=1e-9)


def test_mirrored_by_hand(head):
    """y = 1/4 of [-1, 3] is an angle of 0; turned, 3/4 of [-3, 1] is 0, and 0.9 becomes -0.9."""
    ones = torch.ones(15, 3)
    pose = BetaPose(torch.eye(3).expand(16, 3, 3), 0.25 * ones, 8 * ones, ones, -ones, 3 * ones)
    turned = pose.mirrored()
    assert torch.equal(turned.mean, torch.tensor([0.25, 0.75, 0.75]).expand(15, 3))
    assert torch.equal(turned.low, torch.tensor([-1.0, -3.0, -3.0]).expand(15, 3))
    assert torch.equal(turned.high, torch.tensor([3.0, 1.0, 1.0]).expand(15, 3))
    assert torch.equal(turned.concentration, pose.concentration)
    assert torch.equal(turned.angle_std, pose.angle_std)


def test_mirrored_twice_is_the_same(head):
    pose = random_pose(head.double(), 5, 2)
    torch.testing.assert_close(pose.mirrored().mirrored(), pose, rtol=0, atol=1e-12)


def test_mirrored_rotations_are_at_the_mirrored_means(head):
    pose = random_pose(head.double(), 5).mirrored()
    fingers = axis_angle_to_matrix(pose.low + (pose.high - pose.low) * pose.mean)
    torch.testing.assert_close(pose.rotations[:, 1:], fingers, rtol=0, atol=1e-9)


@pytest.mark.parametrize("level", [0.5, 0.9])
def test_mirrored_interval_is_the_interval_mirrored(head, level):
    pose = random_pose(head.double(), 5, 2)
    lower, upper = pose.interval(level)
    turned_lower, turned_upper = pose.mirrored().interval(level)
    close = dict(rtol=0, atol=1e-9)
    torch.testing.assert_close(turned_lower[..., 0], lower[..., 0], **close)
    torch.testing.assert_close(turned_upper[..., 0], upper[..., 0], **close)
    torch.testing.assert_close(turned_lower[..., 1:], -upper[..., 1:], **close)
    torch.testing.assert_close(turned_upper[..., 1:], -lower[..., 1:], **close)


def test_limits_travel_with_the_weights(head, statistics):
    others = {**statistics.to_json(), "pose_high": (statistics.pose_high + 0.3).tolist()}
    other = BetaPoseHead(8, statistics=others, nll_weight=0.5)
    other.load_state_dict(head.state_dict())
    token = torch.randn(3, 8)
    torch.testing.assert_close(other(token).rotations, head(token).rotations)


def test_missing_statistics_are_named():
    with pytest.raises(FileNotFoundError, match=r"no_such\.json"):
        BetaPoseHead(8, statistics="data/no_such.json", nll_weight=0.5)


def test_joins_the_hand_head(model_cfg, make_crops, statistics):
    cfg = dict(type="BetaPoseHead", statistics=statistics.to_json())
    hand_head = MODELS.build({**model_cfg["head"], "dim": 16, "pose_head": cfg})
    hand_model, crops = MODELS.build(model_cfg["hand_model"]), make_crops(2)
    tokens = HandTokens(torch.randn(2, 1, 1, 16), torch.randn(2, 1, 6, 16), (2, 3))
    hands = hand_head(tokens, crops, hand_model)
    assert torch.equal(hands.mano.hand_pose, hands.pose.rotations[..., 1:, :, :])
    terms = hand_head.loss(hands, crops)
    assert terms["loss_hand_pose_nll"].isfinite() and "loss_root_heatmap" in terms


def hands_with_known_doubt(head: BetaPoseHead, num_hands: int) -> tuple[Tensor, Tensor]:
    """Draw tokens (B, 1, 8) and angles (B, 1, 15, 3) whose mean and spread hang on them."""
    token = torch.randn(num_hands, 1, 8)
    weight, other = torch.randn(2, 8, 45, generator=torch.Generator().manual_seed(5)).unbind()
    mean = (0.3 * token @ weight).sigmoid().clamp(0.1, 0.9)
    concentration = 4 + 200 * (0.5 * token @ other - 2).sigmoid()
    y = Beta(mean * concentration, (1 - mean) * concentration).sample().unflatten(-1, (15, 3))
    return token, head.low + (head.high - head.low) * y


def coverage(head: BetaPoseHead, token: Tensor, angles: Tensor) -> tuple[float, float]:
    """Which part of angles lies inside the 90 % interval: among all, and the surer half."""
    pose = head(token)
    lower, upper = pose.interval(0.9)
    inside = ((angles > lower) & (angles < upper)).float()
    is_sure = pose.concentration > pose.concentration.median()
    return inside.mean().item(), inside[is_sure].mean().item()


def test_trained_head_knows_how_sure_it_is(head, make_crops):
    """Calibration on unseen hands whose spread differs from hand to hand and angle to angle."""
    crops, all_valid = make_crops(1), torch.ones(128, 1, dtype=torch.bool)
    tokens, labels = hands_with_known_doubt(head, 4000)
    optimizer = torch.optim.Adam(head.parameters(), lr=0.03)
    for _ in range(150):
        some = torch.randint(len(tokens), (128,))
        target = with_angles(crops, labels[some], mano_valid=all_valid)
        optimizer.zero_grad()
        sum(head.loss(head(tokens[some]), target).values()).backward()
        optimizer.step()

    token, angles = hands_with_known_doubt(head, 1000)
    everywhere, where_sure = coverage(head, token, angles)
    print(f"90 % interval covers {everywhere:.1%}, of the surer half {where_sure:.1%}")
    assert 0.85 < everywhere < 0.95
    assert 0.85 < where_sure < 0.95
    std = head(token).angle_std
    assert std.quantile(0.9) > 1.5 * std.quantile(0.1)  # it does tell sure from unsure
