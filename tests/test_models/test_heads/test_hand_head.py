from typing import NamedTuple

import pytest
import torch
from torch import Tensor, nn

from handvit.hand_models.mano_layer import ManoLayer
from handvit.models.heads import HandHead, Rotation6DPoseHead
from handvit.models.heads.hand_head import join_terms
from handvit.registry import MODELS
from handvit.structures import HandCrops, HandPrediction, HandTokens

DIM = 16


class Known(NamedTuple):
    """What ``KnowingPoseHead`` says."""

    rotations: Tensor
    doubt: Tensor


@MODELS.register_module()
class KnowingPoseHead(Rotation6DPoseHead):
    """A pose head that says more than rotations."""

    def forward(self, token: Tensor) -> Known:
        return Known(super().forward(token), token[..., 0])

    def loss(self, pose: Known, crops: HandCrops) -> dict[str, Tensor]:
        return {"loss_doubt": pose.doubt.square().mean() + 0 * crops.focal_crop.sum()}


@pytest.fixture(scope="module")
def hand_model() -> nn.Module:
    return ManoLayer("openhand")


@pytest.fixture
def head_cfg(model_cfg):
    return {**model_cfg["head"], "dim": DIM}


def make_tokens(num_hands: int = 2, num_frames: int = 1) -> HandTokens:
    prefix = torch.randn(num_hands, num_frames, 1, DIM)
    return HandTokens(prefix, torch.randn(num_hands, num_frames, 6, DIM), (2, 3))


def build(cfg, pose_head: str = "Rotation6DPoseHead", **changes) -> HandHead:
    return MODELS.build({**cfg, "pose_head": dict(type=pose_head), **changes})


@pytest.mark.parametrize("pose_head", ["Rotation6DPoseHead", "AxisAnglePoseHead"])
def test_shapes_and_a_flat_hand_at_the_start(head_cfg, make_crops, hand_model, pose_head):
    hands = build(head_cfg, pose_head)(make_tokens(2, 3), make_crops(2, 3), hand_model)
    assert isinstance(hands, HandPrediction)
    mano = hands.mano
    assert mano.global_orient.shape == (2, 3, 3, 3)
    assert hands.keypoints_cam.shape == (2, 3, 21, 3)
    assert hands.vertices_cam.shape == (2, 3, 778, 3)
    assert mano.root_cam is hands.root.root_cam and hands.root.depth_std.shape == (2, 3)
    torch.testing.assert_close(mano.betas, torch.zeros(2, 3, 10), rtol=0, atol=0.05)
    flat = torch.eye(3).expand(2, 3, 15, 3, 3)
    torch.testing.assert_close(mano.hand_pose, flat, rtol=0, atol=0.05)


def test_mesh_is_the_hand_model_s_with_the_wrist_at_the_root(head_cfg, make_crops, hand_model):
    hands = build(head_cfg).eval()(make_tokens(), make_crops(), hand_model)
    mesh = hand_model(hands.mano.global_orient, hands.mano.hand_pose, hands.mano.betas)
    torch.testing.assert_close(hands.keypoints_cam[..., 0, :], hands.root_cam)
    torch.testing.assert_close(hands.keypoints_rel, mesh.keypoints_rel)
    torch.testing.assert_close(hands.vertices_rel, mesh.vertices_rel)


def test_first_rotation_is_the_wrist(head_cfg, make_crops, hand_model):
    head = build(head_cfg, "AxisAnglePoseHead")
    with torch.no_grad():
        head.pose_head.linear.bias[:3] = 1.0
    mano = head(make_tokens(), make_crops(), hand_model).mano
    assert (mano.global_orient - torch.eye(3)).abs().max() > 0.5
    assert (mano.hand_pose - torch.eye(3)).abs().max() < 0.05


def test_statistics_are_where_the_untrained_head_starts(
    head_cfg, make_crops, hand_model, statistics
):
    for pose_head in ("Rotation6DPoseHead", "AxisAnglePoseHead"):
        head = build(head_cfg, pose_head, statistics=statistics.to_json())
        nn.init.zeros_(head.pose_head.linear.weight)
        nn.init.zeros_(head.shape_head.weight)
        mano = head(make_tokens(), make_crops(), hand_model).mano
        wanted = torch.from_numpy(statistics.betas_mean).float().expand(2, 1, 10)
        torch.testing.assert_close(mano.betas, wanted)
        rotations = torch.cat([mano.global_orient[..., None, :, :], mano.hand_pose], -3)
        vectors = torch.from_numpy(statistics.pose_mean).float()
        exact = torch.linalg.matrix_exp(_cross(vectors))  # (16, 3, 3)
        torch.testing.assert_close(rotations, exact.expand_as(rotations), rtol=0, atol=1e-5)


def test_missing_statistics_say_how_to_make_them(head_cfg):
    with pytest.raises(FileNotFoundError, match=r"nowhere.json: .*compute_statistics"):
        build(head_cfg, statistics="data/nowhere.json")


def test_regression_runs_in_float32_under_autocast(head_cfg, make_crops, hand_model):
    head = build(head_cfg)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        hands = head(make_tokens(), make_crops(), hand_model)
    tensors = [*hands.mano, hands.keypoints_cam, hands.vertices_cam, *hands.root.log_ratio]
    assert {tensor.dtype for tensor in tensors} == {torch.float32}
    error = hands.mano.global_orient @ hands.mano.global_orient.mT - torch.eye(3)
    assert error.abs().max() < 1e-5  # bfloat16 would be off by 1e-2


def test_frames_are_independent(head_cfg, make_crops, hand_model):
    head, tokens, crops = build(head_cfg).eval(), make_tokens(2, 3), make_crops(2, 3)
    together = head(tokens, crops, hand_model)
    alone = head(tokens.last_frame(), crops.last_frame(), hand_model)
    torch.testing.assert_close(together.vertices_cam[:, -1:], alone.vertices_cam)


def test_loss_is_the_translation_head_s(head_cfg, make_crops, hand_model):
    head, crops = build(head_cfg), make_crops()
    hands = head(make_tokens(), crops, hand_model)
    terms = head.loss(hands, crops)
    assert terms == head.translation_head.loss(hands.root, crops)
    assert all(name.startswith("loss_root_") for name in terms)


def test_pose_head_that_says_more_has_its_own_loss(head_cfg, make_crops, hand_model):
    head, crops = build(head_cfg, "KnowingPoseHead"), make_crops()
    hands = head(make_tokens(), crops, hand_model)
    assert hands.pose.doubt.shape == (2, 1)
    terms = head.loss(hands, crops)
    assert terms["loss_doubt"] == hands.pose.doubt.square().mean()
    assert "loss_root_heatmap" in terms


def test_terms_of_equal_name_are_refused(head_cfg, make_crops, hand_model, monkeypatch):
    head, crops = build(head_cfg, "KnowingPoseHead"), make_crops()
    hands = head(make_tokens(), crops, hand_model)
    zero = torch.zeros(())
    monkeypatch.setattr(head.pose_head, "loss", lambda *_: {"loss_root_bin": zero})
    with pytest.raises(ValueError, match=r"losses: \['loss_root_bin'\] are names of the head's"):
        head.loss(hands, crops)


def test_joined_terms():
    one, two = torch.tensor(1.0), torch.tensor(2.0)
    assert join_terms({"loss_a": one}, {"loss_b": two}) == {"loss_a": one, "loss_b": two}
    with pytest.raises(ValueError, match=r"\['loss_a', 'loss_b'\].*rename them"):
        join_terms({"loss_b": one, "loss_a": one, "loss_c": one}, {"loss_a": two, "loss_b": two})


def test_a_hand_is_61_numbers(head_cfg, make_crops, hand_model):
    """48 of the pose, 10 of the shape, and 3 of the place."""
    head = build(head_cfg, "AxisAnglePoseHead")
    hands = head(make_tokens(), make_crops(), hand_model)
    assert head.pose_head.linear.out_features == 48
    assert hands.mano.betas.shape[-1] == 10
    assert hands.root_cam.shape[-1] == 3


def test_every_parameter_gets_a_gradient(head_cfg, make_crops, hand_model):
    head = build(head_cfg)
    hands = head(make_tokens(), make_crops(), hand_model)
    ((hands.vertices_cam * torch.rand(778, 3)).sum() + hands.root.depth_std.sum()).backward()
    for name, parameter in head.named_parameters():
        assert parameter.grad.isfinite().all() and parameter.grad.any(), name


def _cross(vectors: Tensor) -> Tensor:
    x, y, z = vectors.unbind(-1)
    zero = torch.zeros_like(x)
    rows = [zero, -z, y, z, zero, -x, -y, x, zero]
    return torch.stack(rows, -1).unflatten(-1, (3, 3))
