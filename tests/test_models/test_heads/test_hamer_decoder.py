import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from handvit.models.heads import HamerDecoder
from handvit.models.heads.hamer_decoder import HamerBlock
from handvit.registry import MODELS
from handvit.structures import HandTokens

DIM = 12
SMALL = dict(width=20, num_layers=3, num_heads=2, head_dim=6, mlp_dim=24)


def make_tokens(num_hands: int = 2, num_frames: int = 1) -> HandTokens:
    prefix = torch.randn(num_hands, num_frames, 1, DIM)
    return HandTokens(prefix, torch.randn(num_hands, num_frames, 6, DIM), (2, 3))


def naive_attention(query: Tensor, key: Tensor, value: Tensor, num_heads: int) -> Tensor:
    """Head by head, query by query: (Q, I), (K, I), (K, I) -> (Q, I)."""
    heads = []
    for q, k, v in zip(*(x.chunk(num_heads, -1) for x in (query, key, value)), strict=True):
        rows = [(k @ row / math.sqrt(len(row))).softmax(0) @ v for row in q]
        heads.append(torch.stack(rows))
    return torch.cat(heads, -1)


def as_published(decoder: HamerDecoder, context: Tensor) -> Tensor:
    """One hand's token (width,) the way HaMeR computes it, self-attention in full."""
    parts = torch.randn_like(decoder.query[0])
    zero_token, position = parts, decoder.query[0] - parts  # an embedded constant and a place
    x = zero_token + position  # (1, width)
    context = decoder.context_norm(context)  # (N, D)
    for block in decoder.blocks:
        x = x + _self_attention(block, x)
        cross = block.cross_attention
        query = cross.to_query(block.cross_norm(x))
        seen = naive_attention(query, cross.to_key(context), cross.to_value(context), 2)
        x = x + cross.to_out(seen)
        norm, mlp = block.mlp
        x = x + mlp.narrow(F.gelu(mlp.widen(norm(x))))
    return x[0]


def _self_attention(block: HamerBlock, x: Tensor) -> Tensor:
    """Over one token, with whatever queries and keys."""
    norm, to_value, to_out = block.self_attention
    value = to_value(norm(x))
    return to_out(naive_attention(torch.randn_like(value), torch.randn_like(value), value, 2))


def test_equals_the_published_decoder():
    decoder = HamerDecoder(DIM, **SMALL).double()
    tokens = HandTokens(*(x.double() for x in make_tokens(2, 3)[:2]), (2, 3))
    for parameter in decoder.parameters():
        nn.init.normal_(parameter, std=0.5)
    answer = decoder(tokens)
    for hand in range(2):
        for frame in range(3):
            wanted = as_published(decoder, tokens.all[hand, frame])
            torch.testing.assert_close(answer[hand, frame], wanted, rtol=0, atol=1e-12)


def test_published_sizes():
    """Counted by hand: what HaMeR's decoder has, less queries and keys of self-attention."""
    decoder = MODELS.build(dict(type="HamerDecoder", dim=1280))
    width, inner, context = 1024, 512, 1280
    norm, out = 2 * width, inner * width + width
    self_attention = norm + width * inner + out
    cross_attention = norm + width * inner + 2 * context * inner + out
    mlp = norm + (width * 1024 + 1024) + (1024 * width + width)
    wanted = 6 * (self_attention + cross_attention + mlp) + width + 2 * context
    assert sum(parameter.numel() for parameter in decoder.parameters()) == wanted
    assert decoder.width == 1024 and decoder.blocks[0].cross_attention.num_heads == 8


def test_one_token_of_its_width_a_frame():
    decoder = HamerDecoder(DIM, **SMALL)
    assert decoder.width == 20
    assert decoder(make_tokens(2, 3)).shape == (2, 3, 20)


def test_every_token_is_looked_at():
    decoder, tokens = HamerDecoder(DIM, **SMALL), make_tokens()
    sequence = tokens.all.requires_grad_()
    decoder(tokens.with_all(sequence))[..., 0].square().sum().backward()
    assert (sequence.grad.abs().amax(-1) > 0).all()


def test_frames_are_independent():
    decoder, tokens = HamerDecoder(DIM, **SMALL), make_tokens(2, 3)
    torch.testing.assert_close(decoder(tokens)[:, -1:], decoder(tokens.last_frame()))


def test_training_adds_no_noise():
    decoder, tokens = HamerDecoder(DIM, **SMALL).train(), make_tokens()
    assert torch.equal(decoder(tokens), decoder(tokens))


@pytest.mark.parametrize("num_frames", [1, 3])
def test_every_parameter_gets_a_gradient(num_frames):
    decoder = HamerDecoder(DIM, **SMALL)
    (decoder(make_tokens(2, num_frames)) * torch.randn(20)).sum().backward()
    for name, parameter in decoder.named_parameters():
        assert parameter.grad.isfinite().all() and parameter.grad.any(), name


def test_joins_the_hand_head(model_cfg, make_crops, statistics):
    """The untrained peer says its means, like HaMeR's residual to fixed parameters."""
    head = MODELS.build(
        {
            **model_cfg["head"],
            "dim": DIM,
            "decoder": dict(type="HamerDecoder", **SMALL),
            "statistics": statistics.to_json(),
        }
    )
    hand_model = MODELS.build(model_cfg["hand_model"])
    hands = head(make_tokens(), make_crops(), hand_model)
    betas = torch.from_numpy(statistics.betas_mean).float().expand(2, 1, 10)
    torch.testing.assert_close(hands.mano.betas, betas, rtol=0, atol=0.05)
