"""Streams, one frame at a time, against the same frames as one clip."""

import pytest
import torch
from torch import Tensor

from handvit.models.necks import TemporalCache, TemporalEncoder
from handvit.structures import HandTokens

DIM = 16


def make_encoder(**changes: int) -> TemporalEncoder:
    """Build an encoder whose output is not zero."""
    encoder = TemporalEncoder(DIM, num_heads=4, **changes)
    torch.nn.init.normal_(encoder.to_out.weight, std=0.5)
    return encoder


def make_times(num_frames: int, start: float = 0.0) -> Tensor:
    """Two irregular tracks in float64, 10 to 100 frames a second."""
    return start + (0.01 + 0.09 * torch.rand(2, num_frames, dtype=torch.float64)).cumsum(1)


def frames(tokens: HandTokens, which: slice) -> HandTokens:
    return tokens._replace(prefix=tokens.prefix[:, which], patches=tokens.patches[:, which])


def stream(encoder: TemporalEncoder, tokens: HandTokens, times: Tensor) -> tuple[Tensor, ...]:
    """Step through all frames: their tokens (B, T, P + N, D) and the last cache."""
    out, cache = [], None
    for frame in range(times.shape[1]):
        one = frames(tokens, slice(frame, frame + 1))
        improved, cache = encoder.step(one, times[:, frame], cache)
        out.append(improved.all)
    return torch.cat(out, 1), cache


def clips(encoder: TemporalEncoder, tokens: HandTokens, times: Tensor) -> Tensor:
    """Run one clip up to each frame: (B, T, P + N, D)."""
    valid = torch.ones_like(times, dtype=torch.bool)
    out = [
        encoder(frames(tokens, slice(end)), times[:, :end], valid[:, :end]).all
        for end in range(1, times.shape[1] + 1)
    ]
    return torch.cat(out, 1)


@pytest.mark.parametrize("num_prefix", [0, 1])
@pytest.mark.parametrize("start", [0.0, 1.7e9])
@pytest.mark.parametrize(("dtype", "atol"), [(torch.float32, 1e-5), (torch.float64, 1e-10)])
def test_stream_equals_clips(make_tokens, dtype, atol, start, num_prefix):
    """Three layers, five times as many frames as are looked at, seconds since 1970."""
    encoder = make_encoder(num_layers=3, max_frames=4).to(dtype)
    tokens, times = make_tokens(2, 20, num_prefix), make_times(20, start)
    tokens = tokens.with_all(tokens.all.to(dtype))
    with torch.no_grad():
        streamed, _ = stream(encoder, tokens, times)
        wanted = clips(encoder, tokens, times)
    assert streamed.shape == tokens.all.shape and streamed.dtype == dtype
    assert (wanted - tokens.all).abs().max() > 0.1
    torch.testing.assert_close(streamed, wanted, rtol=0, atol=atol)


@torch.no_grad()
def test_precision_does_not_decay(make_tokens):
    """After minutes of stream a step is as exact as at the start."""
    encoder = make_encoder()
    tokens, times = make_tokens(2, 300), 2 * make_times(300, 1.7e9)
    cache = None
    for frame in range(300):
        one = frames(tokens, slice(frame, frame + 1))
        improved, cache = encoder.step(one, times[:, frame], cache)
    recent = slice(-20, None)
    valid = torch.ones(2, 20, dtype=torch.bool)
    wanted = encoder(frames(tokens, recent), times[:, recent], valid)
    torch.testing.assert_close(improved.all, wanted.all, rtol=0, atol=1e-5)


@torch.no_grad()
def test_frames_that_do_not_exist_are_not_stepped(make_tokens):
    encoder = make_encoder(max_frames=3)
    tokens, times = make_tokens(2, 9), make_times(9)
    exists = torch.tensor([False, True, True, False, True, False, False, True, True])
    wanted = encoder(tokens, times, exists.expand(2, -1)).all
    streamed, _ = stream(encoder, frames(tokens, exists), times[:, exists])
    torch.testing.assert_close(streamed[:, -1:], wanted, rtol=0, atol=1e-5)


@torch.no_grad()
@pytest.mark.parametrize(("num_layers", "same"), [(1, True), (2, False)])
def test_stream_is_not_the_last_clip_again(make_tokens, num_layers, same):
    """With more than one layer, the frames looked at know of frames before the last clip."""
    encoder = make_encoder(num_layers=num_layers, max_frames=4)
    tokens, times = make_tokens(2, 9), make_times(9)
    streamed, _ = stream(encoder, tokens, times)
    clip = encoder(frames(tokens, slice(-4, None)), times[:, -4:], torch.ones(2, 4).bool())
    assert torch.allclose(streamed[:, -1:], clip.all, rtol=0, atol=1e-5) == same


@torch.no_grad()
def test_cache_is_bounded_and_holds_what_it_says(make_tokens):
    encoder = make_encoder(num_layers=3, max_frames=4)
    tokens, times = make_tokens(2, 9), make_times(9)
    for num_frames, kept in ((1, 1), (3, 3), (4, 3), (9, 3)):
        _, cache = stream(encoder, frames(tokens, slice(num_frames)), times[:, :num_frames])
        assert isinstance(cache, TemporalCache)
        assert torch.equal(cache.frame_time, times[:, num_frames - kept : num_frames])
        shapes = {x.shape for layer in cache.layers for x in layer}
        assert len(cache.layers) == 3 and shapes == {(2 * 7, 4, kept, DIM // 4)}


@torch.no_grad()
def test_keys_are_kept_unrotated(make_tokens):
    """What the first layer remembers of a frame does not depend on any time."""
    encoder = make_encoder()
    tokens = make_tokens(2, 3)
    _, here = stream(encoder, tokens, make_times(3))
    _, later = stream(encoder, tokens, make_times(3, 50.0))
    assert torch.equal(here.layers[0].keys, later.layers[0].keys)
    assert torch.equal(here.layers[0].values, later.layers[0].values)


@torch.no_grad()
def test_new_stream_starts_from_none(make_tokens):
    encoder = make_encoder()
    tokens, times = make_tokens(2, 5), make_times(5)
    last = frames(tokens, slice(-1, None))
    again, cache = encoder.step(last, times[:, -1])
    alone = encoder(last, times[:, -1:], torch.ones(2, 1).bool())
    torch.testing.assert_close(again.all, alone.all, rtol=0, atol=1e-6)
    assert cache.frame_time.shape == (2, 1)
    streamed, _ = stream(encoder, tokens, times)
    assert (streamed[:, -1:] - again.all).abs().max() > 1e-2


@torch.no_grad()
def test_cache_is_a_value(make_tokens):
    """Stepping twice from one cache gives the same twice: a step changes nothing in place."""
    encoder = make_encoder()
    tokens, times = make_tokens(2, 4), make_times(4)
    _, cache = stream(encoder, frames(tokens, slice(3)), times[:, :3])
    last = frames(tokens, slice(3, 4))
    first, _ = encoder.step(last, times[:, 3], cache)
    second, _ = encoder.step(last, times[:, 3], cache)
    assert torch.equal(first.all, second.all)


@torch.no_grad()
def test_hands_do_not_mix(make_tokens):
    encoder = make_encoder()
    tokens, times = make_tokens(2, 9), make_times(9)
    together, _ = stream(encoder, tokens, times)
    for hand in range(2):
        one = slice(hand, hand + 1)
        alone = tokens._replace(prefix=tokens.prefix[one], patches=tokens.patches[one])
        alone, _ = stream(encoder, alone, times[one])
        torch.testing.assert_close(together[one], alone, rtol=0, atol=1e-5)


@torch.no_grad()
def test_untrained_step_is_the_identity(make_tokens):
    encoder, tokens = TemporalEncoder(DIM, num_heads=4), make_tokens(2, 9)
    streamed, _ = stream(encoder, tokens, make_times(9))
    assert torch.equal(streamed, tokens.all)


@torch.no_grad()
def test_steps_under_autocast(make_tokens):
    encoder = make_encoder()
    tokens, times = make_tokens(2, 9), make_times(9, 1.7e9)
    wanted, _ = stream(encoder, tokens, times)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        half, cache = stream(encoder, tokens, times)
    assert cache.frame_time.dtype == torch.float64
    torch.testing.assert_close(half.float(), wanted, rtol=0.05, atol=0.1)


def test_gradients_only_where_wanted(make_tokens):
    encoder = make_encoder()
    tokens, times = make_tokens(2, 3), make_times(3)
    with torch.no_grad():
        _, cache = stream(encoder, frames(tokens, slice(2)), times[:, :2])
    assert not any(x.requires_grad for layer in cache.layers for x in layer)
    improved, _ = encoder.step(frames(tokens, slice(2, 3)), times[:, 2], cache)
    improved.all.square().sum().backward()
    assert all(parameter.grad.any() for parameter in encoder.parameters())


def test_cache_of_other_hands_is_refused(make_tokens):
    encoder = make_encoder()
    _, cache = encoder.step(make_tokens(2, 1), make_times(1)[:, 0])
    with pytest.raises(ValueError, match=r"cache holds 2 hands, the tokens 3; .*cache=None"):
        encoder.step(make_tokens(3, 1), torch.zeros(3, dtype=torch.float64), cache)
