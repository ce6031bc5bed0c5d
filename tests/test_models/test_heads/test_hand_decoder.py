import pytest
import torch

from handvit.models.heads import HandDecoder
from handvit.registry import MODELS
from handvit.structures import HandTokens

DIM = 16


def build(**changes) -> HandDecoder:
    cfg = dict(dim=DIM, width=32, num_layers=2, num_heads=4, mlp_dim=64)
    return MODELS.build(dict(type="HandDecoder", **{**cfg, **changes}))


def make_tokens(num_hands: int = 2, num_frames: int = 1) -> HandTokens:
    prefix = torch.randn(num_hands, num_frames, 1, DIM)
    return HandTokens(prefix, torch.randn(num_hands, num_frames, 6, DIM), (2, 3))


def test_one_token_of_its_width_a_frame():
    decoder = build()
    assert decoder.width == 32
    assert decoder(make_tokens(2, 3)).shape == (2, 3, 32)


def test_every_token_is_looked_at():
    decoder, tokens = build().eval(), make_tokens()
    sequence = tokens.all.requires_grad_()
    decoder(tokens.with_all(sequence))[..., 0].square().sum().backward()
    assert (sequence.grad.abs().amax(-1) > 0).all()


def test_order_of_tokens_does_not_matter():
    """Place is in the tokens themselves, not in where they stand."""
    decoder, tokens = build().eval(), make_tokens()
    turned = tokens._replace(patches=tokens.patches.flip(-2))
    torch.testing.assert_close(decoder(turned), decoder(tokens))


def test_frames_are_independent():
    decoder, tokens = build().eval(), make_tokens(2, 3)
    torch.testing.assert_close(decoder(tokens)[:, -1:], decoder(tokens.last_frame()))


def test_dropout_acts_in_training_only():
    decoder, tokens = build(dropout=0.5), make_tokens()
    assert not torch.equal(decoder(tokens), decoder(tokens))
    decoder.eval()
    assert torch.equal(decoder(tokens), decoder(tokens))


def test_every_parameter_gets_a_gradient():
    decoder = build(dropout=0.0)
    (decoder(make_tokens()) * torch.randn(32)).sum().backward()
    for name, parameter in decoder.named_parameters():
        assert parameter.grad.isfinite().all() and parameter.grad.any(), name


def test_heads_must_divide_the_width():
    with pytest.raises(ValueError, match="num_heads=5 does not divide the width 32"):
        build(num_heads=5)
