import pytest
import torch

from handvit.models.heads import HandDecoder
from handvit.registry import MODELS
from handvit.structures import HandTokens

DIM = 16


def build(**changes) -> HandDecoder:
    cfg = dict(
        dim=DIM,
        width=32,
        num_layers=2,
        num_heads=4,
        mlp_dim=64,
        pose_head=dict(type="Rotation6DPoseHead"),
        translation_head=dict(type="UvDistanceHead", grid_size=8),
    )
    return MODELS.build(dict(type="HandDecoder", **{**cfg, **changes}))


def make_tokens(num_hands: int = 2, num_frames: int = 1) -> HandTokens:
    prefix = torch.randn(num_hands, num_frames, 1, DIM)
    return HandTokens(prefix, torch.randn(num_hands, num_frames, 6, DIM), (2, 3))


@pytest.mark.parametrize("pose_head", ["Rotation6DPoseHead", "AxisAnglePoseHead"])
def test_shapes_and_a_flat_hand_at_the_start(make_crops, pose_head):
    mano, root = build(pose_head=dict(type=pose_head))(make_tokens(2, 3), make_crops(2, 3))
    assert mano.global_orient.shape == (2, 3, 3, 3)
    assert mano.hand_pose.shape == (2, 3, 15, 3, 3)
    assert mano.root_cam is root.root_cam and root.root_cam.shape == (2, 3, 3)
    torch.testing.assert_close(mano.betas, torch.zeros(2, 3, 10), rtol=0, atol=0.05)
    torch.testing.assert_close(
        mano.hand_pose, torch.eye(3).expand(2, 3, 15, 3, 3), rtol=0, atol=0.05
    )


def test_first_rotation_is_the_wrist(make_crops):
    decoder = build(pose_head=dict(type="AxisAnglePoseHead"))
    with torch.no_grad():
        decoder.pose_head.linear.bias[:3] = 1.0
    mano, _ = decoder(make_tokens(), make_crops())
    assert (mano.global_orient - torch.eye(3)).abs().max() > 0.5
    assert (mano.hand_pose - torch.eye(3)).abs().max() < 0.05


def test_regression_runs_in_float32_under_autocast(make_crops):
    decoder = build()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        mano, root = decoder(make_tokens(), make_crops())
    tensors = [*mano, *root]
    assert {tensor.dtype for tensor in tensors} == {torch.float32}
    error = mano.global_orient @ mano.global_orient.mT - torch.eye(3)
    assert error.abs().max() < 1e-5  # bfloat16 would be off by 1e-2


def test_every_token_is_looked_at(make_crops):
    decoder, tokens, crops = build().eval(), make_tokens(), make_crops()
    sequence = tokens.all.requires_grad_()
    _, root = decoder(tokens.with_all(sequence), crops)
    root.uv_logits.square().sum().backward()
    assert (sequence.grad.abs().amax(-1) > 0).all()


def test_frames_are_independent(make_crops):
    decoder, tokens, crops = build().eval(), make_tokens(2, 3), make_crops(2, 3)
    together, _ = decoder(tokens, crops)
    alone, _ = decoder(tokens.last_frame(), crops.last_frame())
    torch.testing.assert_close(together.betas[:, -1:], alone.betas)
    torch.testing.assert_close(together.hand_pose[:, -1:], alone.hand_pose)


def test_dropout_acts_in_training_only(make_crops):
    decoder, tokens, crops = build(dropout=0.5), make_tokens(), make_crops()
    assert not torch.equal(decoder(tokens, crops)[0].betas, decoder(tokens, crops)[0].betas)
    decoder.eval()
    assert torch.equal(decoder(tokens, crops)[0].betas, decoder(tokens, crops)[0].betas)


def test_loss_is_the_translation_head_s(make_crops):
    decoder, crops = build(), make_crops()
    _, root = decoder(make_tokens(), crops)
    terms = decoder.loss(root, crops)
    assert terms == decoder.translation_head.loss(root, crops)
    assert all(name.startswith("loss_root_") for name in terms)


def test_every_parameter_gets_a_gradient(make_crops):
    decoder = build()
    mano, _ = decoder(make_tokens(), make_crops())
    weights = torch.rand(3, 3)
    ((mano.global_orient * weights).sum() + (mano.hand_pose * weights).sum()).backward(
        retain_graph=True
    )
    (mano.betas.sum() + mano.root_cam.sum()).backward()
    for name, parameter in decoder.named_parameters():
        assert parameter.grad.isfinite().all() and parameter.grad.any(), name


def test_heads_must_divide_the_width():
    with pytest.raises(ValueError, match="num_heads=5 does not divide the width 32"):
        build(num_heads=5)
