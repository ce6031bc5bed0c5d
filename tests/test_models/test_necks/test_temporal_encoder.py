import pytest
import torch

from handvit.models.necks import TemporalEncoder
from handvit.models.necks.temporal_encoder import causal_mask
from handvit.registry import MODELS
from handvit.structures import HandTokens

DIM = 16


def make_tokens(num_frames: int = 4) -> HandTokens:
    prefix = torch.randn(2, num_frames, 1, DIM)
    return HandTokens(prefix, torch.randn(2, num_frames, 6, DIM), (2, 3))


def make_times(num_frames: int = 4) -> torch.Tensor:
    return (torch.arange(num_frames, dtype=torch.float64) / 30).expand(2, -1)


def all_valid(num_frames: int = 4) -> torch.Tensor:
    return torch.ones(2, num_frames, dtype=torch.bool)


def change_frames(tokens: HandTokens, frames: list[int]) -> HandTokens:
    sequence = tokens.all.clone()
    sequence[:, frames] += torch.randn(2, len(frames), 7, DIM)
    return tokens.with_all(sequence)


@pytest.fixture
def untrained() -> TemporalEncoder:
    return MODELS.build(dict(type="TemporalEncoder", dim=DIM, num_layers=2, num_heads=4))


@pytest.fixture
def encoder(untrained) -> TemporalEncoder:
    """The encoder with an output that is not zero."""
    torch.nn.init.normal_(untrained.to_out.weight)
    return untrained


def test_untrained_encoder_returns_the_last_frame_exactly(untrained):
    tokens = make_tokens()
    out = untrained(tokens, make_times(), all_valid())
    assert torch.equal(out.all, tokens.last_frame().all)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        out = untrained(tokens, make_times(), all_valid())
    assert torch.equal(out.all, tokens.last_frame().all)


def test_every_frame_before_matters(encoder):
    tokens = make_tokens()
    plain = encoder(tokens, make_times(), all_valid())
    assert plain.prefix.shape == (2, 1, 1, DIM) and plain.patches.shape == (2, 1, 6, DIM)
    for frame in range(3):
        changed = encoder(change_frames(tokens, [frame]), make_times(), all_valid())
        assert (changed.all - plain.all).abs().max() > 1e-3


def test_frames_that_do_not_exist_do_not_matter(encoder):
    tokens, times = make_tokens(), make_times()
    valid = torch.tensor([False, False, True, True]).expand(2, -1)
    plain = encoder(tokens, times, valid)
    other_times = times - torch.tensor([5.0, 3.0, 0, 0], dtype=torch.float64)
    changed = encoder(change_frames(tokens, [0, 1]), other_times, valid)
    torch.testing.assert_close(changed.all, plain.all)
    shorter = HandTokens(tokens.prefix[:, 2:], tokens.patches[:, 2:], tokens.grid)
    shorter = encoder(shorter, times[:, 2:], all_valid(2))
    torch.testing.assert_close(shorter.all, plain.all, rtol=0, atol=1e-5)


def test_clip_without_any_history_is_finite(encoder):
    valid = torch.tensor([False, False, False, True]).expand(2, -1)
    out = encoder(make_tokens(), make_times(), valid).all
    out.sum().backward()
    assert out.isfinite().all()
    assert all(parameter.grad.isfinite().all() for parameter in encoder.parameters())


def test_order_matters(encoder):
    tokens = make_tokens()
    swapped = tokens.with_all(tokens.all[:, [1, 0, 2, 3]])
    plain = encoder(tokens, make_times(), all_valid()).all
    other = encoder(swapped, make_times(), all_valid()).all
    assert (plain - other).abs().max() > 1e-3


def test_irregular_times_matter(encoder):
    tokens = make_tokens()
    plain = encoder(tokens, make_times(), all_valid()).all
    irregular = torch.tensor([0.0, 0.01, 0.09, 0.1], dtype=torch.float64).expand(2, -1)
    other = encoder(tokens, irregular, all_valid()).all
    assert (plain - other).abs().max() > 1e-3


def test_only_time_differences_matter(encoder):
    """Some cameras stamp frames with the seconds since 1970."""
    tokens = make_tokens()
    plain = encoder(tokens, make_times(), all_valid()).all
    later = encoder(tokens, make_times() + 1.7e9, all_valid()).all
    torch.testing.assert_close(later, plain, rtol=0, atol=1e-4)


def test_one_frame_is_a_clip(encoder):
    tokens = make_tokens(1)
    out = encoder(tokens, make_times(1), all_valid(1))
    assert out.all.isfinite().all()
    assert out.grid == tokens.grid
    assert not torch.equal(out.all, tokens.all)


def test_token_positions_do_not_mix(encoder):
    tokens = make_tokens()
    plain = encoder(tokens, make_times(), all_valid()).all
    sequence = tokens.all.clone()
    sequence[:, 0, 3] += torch.randn(2, DIM)
    changed = encoder(tokens.with_all(sequence), make_times(), all_valid()).all
    moved = (changed - plain).abs().amax((0, 1, 3)) > 1e-4
    assert moved.nonzero().flatten().tolist() == [3]


def test_clips_keep_their_own_times_and_masks(encoder):
    tokens = make_tokens()
    times = make_times() * torch.tensor([[1.0], [3.0]], dtype=torch.float64)
    valid = torch.tensor([[True] * 4, [False, True, True, True]])
    together = encoder(tokens, times, valid).all
    for clip in range(2):
        one = slice(clip, clip + 1)
        alone = HandTokens(tokens.prefix[one], tokens.patches[one], tokens.grid)
        alone = encoder(alone, times[one], valid[one]).all
        torch.testing.assert_close(together[one], alone, rtol=0, atol=1e-5)


def test_mask_by_hand():
    mask = causal_mask(torch.tensor([[False, True, True]]))
    assert mask.int().tolist() == [[[1, 0, 0], [0, 1, 0], [0, 1, 1]]]


def test_every_parameter_gets_a_gradient(encoder):
    encoder(make_tokens(), make_times(), all_valid()).all.square().sum().backward()
    for name, parameter in encoder.named_parameters():
        assert parameter.grad.isfinite().all() and parameter.grad.any(), name


def test_heads_must_divide_the_width_into_pairs():
    with pytest.raises(ValueError, match="num_heads=16 does not divide the token width 16"):
        TemporalEncoder(DIM)
