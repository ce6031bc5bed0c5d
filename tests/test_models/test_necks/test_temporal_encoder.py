import math

import pytest
import torch
from torch import Tensor

from handvit.models.necks import TemporalEncoder
from handvit.models.necks.temporal_encoder import causal_mask
from handvit.registry import MODELS
from handvit.structures import HandTokens

DIM = 16


def make_times(num_frames: int = 4) -> torch.Tensor:
    return (torch.arange(num_frames, dtype=torch.float64) / 30).expand(2, -1)


def all_valid(num_frames: int = 4) -> torch.Tensor:
    return torch.ones(2, num_frames, dtype=torch.bool)


def change_frames(tokens: HandTokens, frames: list[int]) -> HandTokens:
    sequence = tokens.all.clone()
    sequence[:, frames] += torch.randn(2, len(frames), 7, DIM)
    return tokens.with_all(sequence)


def make_encoder(**changes: int) -> TemporalEncoder:
    """Build an encoder whose output is not zero."""
    encoder = TemporalEncoder(DIM, num_heads=4, **changes)
    torch.nn.init.normal_(encoder.to_out.weight)
    return encoder


def naive_update(encoder: TemporalEncoder, track: Tensor, time: Tensor) -> Tensor:
    """Run one token's frames (T, D) one by one, with rotations as complex numbers; (D,)."""
    for block in encoder.blocks:
        attention, normed = block.attention, block.attention_norm(track)
        head_dim = DIM // attention.num_heads
        frequency = 20.0 * 100.0 ** (-torch.arange(head_dim // 2) / (head_dim // 2))
        turn = torch.exp(1j * time[:, None, None] * frequency)  # (T, 1, d/2)
        pairs = (
            (layer.weight @ normed.mT).mT.view(len(track), attention.num_heads, 2, -1)
            for layer in (attention.to_query, attention.to_key)
        )
        q, k = (turn * torch.complex(pair[:, :, 0], pair[:, :, 1]) for pair in pairs)
        v = attention.to_value(normed).view(len(track), attention.num_heads, -1)
        looked = torch.zeros_like(v)  # (T, H, d)
        for frame in range(len(track)):
            seen = slice(max(0, frame - encoder.max_frames + 1), frame + 1)
            score = (q[frame] * k[seen].conj()).real.sum(-1) / math.sqrt(head_dim)  # (W, H)
            weight = score.exp() / score.exp().sum(0)
            looked[frame] = (weight[..., None] * v[seen]).sum(0)
        track = track + attention.to_out(looked.flatten(1))
        track = track + block.mlp(block.mlp_norm(track))
    return encoder.to_out(encoder.norm(track[-1]))


@pytest.fixture
def untrained() -> TemporalEncoder:
    return MODELS.build(dict(type="TemporalEncoder", dim=DIM, num_layers=2, num_heads=4))


@pytest.fixture
def encoder(untrained) -> TemporalEncoder:
    """The encoder with an output that is not zero."""
    torch.nn.init.normal_(untrained.to_out.weight)
    return untrained


def test_untrained_encoder_returns_the_last_frame_exactly(untrained, make_tokens):
    tokens = make_tokens(2, 4)
    out = untrained(tokens, make_times(), all_valid())
    assert torch.equal(out.all, tokens.last_frame().all)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        out = untrained(tokens, make_times(), all_valid())
    assert torch.equal(out.all, tokens.last_frame().all)


def test_every_frame_before_matters(encoder, make_tokens):
    tokens = make_tokens(2, 4)
    plain = encoder(tokens, make_times(), all_valid())
    assert plain.prefix.shape == (2, 1, 1, DIM) and plain.patches.shape == (2, 1, 6, DIM)
    for frame in range(3):
        changed = encoder(change_frames(tokens, [frame]), make_times(), all_valid())
        assert (changed.all - plain.all).abs().max() > 1e-3


def test_frames_that_do_not_exist_do_not_matter(encoder, make_tokens):
    tokens, times = make_tokens(2, 4), make_times()
    valid = torch.tensor([False, False, True, True]).expand(2, -1)
    plain = encoder(tokens, times, valid)
    other_times = times - torch.tensor([5.0, 3.0, 0, 0], dtype=torch.float64)
    changed = encoder(change_frames(tokens, [0, 1]), other_times, valid)
    torch.testing.assert_close(changed.all, plain.all)
    shorter = HandTokens(tokens.prefix[:, 2:], tokens.patches[:, 2:], tokens.grid)
    shorter = encoder(shorter, times[:, 2:], all_valid(2))
    torch.testing.assert_close(shorter.all, plain.all, rtol=0, atol=1e-5)


def test_clip_without_any_history_is_finite(encoder, make_tokens):
    valid = torch.tensor([False, False, False, True]).expand(2, -1)
    out = encoder(make_tokens(2, 4), make_times(), valid).all
    out.sum().backward()
    assert out.isfinite().all()
    assert all(parameter.grad.isfinite().all() for parameter in encoder.parameters())


def test_order_matters(encoder, make_tokens):
    tokens = make_tokens(2, 4)
    swapped = tokens.with_all(tokens.all[:, [1, 0, 2, 3]])
    plain = encoder(tokens, make_times(), all_valid()).all
    other = encoder(swapped, make_times(), all_valid()).all
    assert (plain - other).abs().max() > 1e-3


def test_irregular_times_matter(encoder, make_tokens):
    tokens = make_tokens(2, 4)
    plain = encoder(tokens, make_times(), all_valid()).all
    irregular = torch.tensor([0.0, 0.01, 0.09, 0.1], dtype=torch.float64).expand(2, -1)
    other = encoder(tokens, irregular, all_valid()).all
    assert (plain - other).abs().max() > 1e-3


def test_only_time_differences_matter(encoder, make_tokens):
    """Some cameras stamp frames with the seconds since 1970."""
    tokens = make_tokens(2, 4)
    plain = encoder(tokens, make_times(), all_valid()).all
    later = encoder(tokens, make_times() + 1.7e9, all_valid()).all
    torch.testing.assert_close(later, plain, rtol=0, atol=1e-4)


def test_one_frame_is_a_clip(encoder, make_tokens):
    tokens = make_tokens(2, 1)
    out = encoder(tokens, make_times(1), all_valid(1))
    assert out.all.isfinite().all()
    assert out.grid == tokens.grid
    assert not torch.equal(out.all, tokens.all)


def test_token_positions_do_not_mix(encoder, make_tokens):
    tokens = make_tokens(2, 4)
    plain = encoder(tokens, make_times(), all_valid()).all
    sequence = tokens.all.clone()
    sequence[:, 0, 3] += torch.randn(2, DIM)
    changed = encoder(tokens.with_all(sequence), make_times(), all_valid()).all
    moved = (changed - plain).abs().amax((0, 1, 3)) > 1e-4
    assert moved.nonzero().flatten().tolist() == [3]


def test_clips_keep_their_own_times_and_masks(encoder, make_tokens):
    tokens = make_tokens(2, 4)
    times = make_times() * torch.tensor([[1.0], [3.0]], dtype=torch.float64)
    valid = torch.tensor([[True] * 4, [False, True, True, True]])
    together = encoder(tokens, times, valid).all
    for clip in range(2):
        one = slice(clip, clip + 1)
        alone = HandTokens(tokens.prefix[one], tokens.patches[one], tokens.grid)
        alone = encoder(alone, times[one], valid[one]).all
        torch.testing.assert_close(together[one], alone, rtol=0, atol=1e-5)


def test_mask_by_hand():
    mask = causal_mask(torch.tensor([[False, True, True]]), 3)
    assert mask.int().tolist() == [[[1, 0, 0], [0, 1, 0], [0, 1, 1]]]


def test_window_counts_existing_frames():
    """The middle frame does not exist; what it looks at itself does not matter."""
    mask = causal_mask(torch.tensor([[True, True, False, True, True]]), 2)
    existing = mask[0, [0, 1, 3, 4]].int().tolist()
    assert existing == [[1, 0, 0, 0, 0], [1, 1, 0, 0, 0], [0, 1, 0, 1, 0], [0, 0, 0, 1, 1]]


def test_layers_reach_as_far_back_as_they_say(make_tokens):
    """Two layers that look one frame back reach two frames, and not three."""
    encoder = make_encoder(num_layers=2, max_frames=2)
    tokens = make_tokens(2, 4)
    plain = encoder(tokens, make_times(), all_valid()).all
    for frame, matters in ((0, False), (1, True), (2, True)):
        changed = encoder(change_frames(tokens, [frame]), make_times(), all_valid()).all
        assert ((changed - plain).abs().max() > 1e-4) == matters


def test_earlier_frames_do_not_see_later_ones(make_tokens):
    """What a frame hands on must not change when the clip goes on after it."""
    encoder = make_encoder(num_layers=2)
    inside = []
    encoder.blocks[0].register_forward_hook(lambda module, inputs, output: inside.append(output[0]))
    tokens = make_tokens(2, 4)
    encoder(tokens, make_times(), all_valid())
    encoder(change_frames(tokens, [2]), make_times(), all_valid())
    before, after = (x[:, :2] for x in inside)  # (B*N, 2, D)
    assert torch.equal(before, after)
    assert not torch.equal(inside[0][:, 2], inside[1][:, 2])


def test_agrees_with_a_naive_reference(make_tokens):
    """Any rate, seconds since 1970, frames that do not exist; one radian is 1/20 s."""
    encoder = make_encoder(num_layers=3, max_frames=3).double()
    tokens = make_tokens(2, 6)
    tokens = tokens.with_all(tokens.all.double())
    frame_time = 1.7e9 + torch.rand(2, 6, dtype=torch.float64).cumsum(1)
    frame_valid = torch.tensor([[True] * 6, [False, True, True, False, True, True]])
    out = encoder(tokens, frame_time, frame_valid).all
    for hand in range(2):
        frames = frame_valid[hand].nonzero().flatten().tolist()
        time = (frame_time[hand] - 1.7e9)[frames]
        for position in range(7):
            track = tokens.all[hand, frames, position]  # (T, D)
            wanted = track[-1] + naive_update(encoder, track, time)
            torch.testing.assert_close(out[hand, 0, position], wanted, rtol=0, atol=1e-6)


def test_missing_frames_are_a_lower_rate(encoder, make_tokens):
    """A time difference means the same at any frame rate."""
    tokens, times = make_tokens(2, 7), make_times(7)
    every_other = torch.tensor([True, False] * 3 + [True]).expand(2, -1)
    missing = encoder(tokens, times, every_other).all
    slower = HandTokens(tokens.prefix[:, ::2], tokens.patches[:, ::2], tokens.grid)
    slower = encoder(slower, torch.arange(4, dtype=torch.float64).expand(2, -1) / 15, all_valid())
    torch.testing.assert_close(missing, slower.all, rtol=0, atol=1e-5)


def test_backbone_without_cls_token(encoder, make_tokens):
    tokens = make_tokens(2, 4, num_prefix=0)
    out = encoder(tokens, make_times(), all_valid())
    assert out.prefix.shape == (2, 1, 0, DIM) and out.patches.shape == (2, 1, 6, DIM)
    with_cls = tokens._replace(prefix=torch.randn(2, 4, 1, DIM))
    wanted = encoder(with_cls, make_times(), all_valid()).patches
    torch.testing.assert_close(out.patches, wanted, rtol=0, atol=1e-5)


def test_every_parameter_gets_a_gradient(encoder, make_tokens):
    encoder(make_tokens(2, 4), make_times(), all_valid()).all.square().sum().backward()
    for name, parameter in encoder.named_parameters():
        assert parameter.grad.isfinite().all() and parameter.grad.any(), name


@pytest.mark.parametrize("num_frames", [1, 4])
def test_last_block_works_for_the_last_frame_only(encoder, make_tokens, num_frames):
    """What all blocks compute for all frames is the same, and more."""
    frames = []
    for block in encoder.blocks:
        block.mlp.register_forward_hook(lambda _, __, output: frames.append(output.shape[1]))
    tokens = make_tokens(2, num_frames)
    found = encoder(tokens, make_times(num_frames), all_valid(num_frames)).all
    assert frames == [num_frames, 1]

    x = tokens.all.transpose(1, 2).flatten(0, 1)  # (B*N, T, D)
    time = 20.0 * (make_times(num_frames) - make_times(num_frames)[:, -1:])
    time = time.repeat_interleave(7, 0)  # (B*N, T)
    mask = causal_mask(all_valid(num_frames), encoder.max_frames).repeat_interleave(7, 0)
    for block in encoder.blocks:
        x, _ = block(x, None, (time, time), mask)
    update = encoder.to_out(encoder.norm(x[:, -1])).view(2, 7, DIM)
    torch.testing.assert_close(found[:, 0], tokens.all[:, -1] + update, rtol=1e-6, atol=1e-5)


def test_there_must_be_a_layer():
    with pytest.raises(ValueError, match="num_layers=0 must be 1 or more"):
        TemporalEncoder(DIM, num_heads=4, num_layers=0)


def test_frame_must_be_able_to_look_back():
    with pytest.raises(ValueError, match="max_frames=1 must be 2 or more"):
        TemporalEncoder(DIM, num_heads=4, max_frames=1)


def test_heads_must_divide_the_width_into_pairs():
    with pytest.raises(ValueError, match="num_heads=16 does not divide the token width 16"):
        TemporalEncoder(DIM)
