import torch

from handvit.structures import HandTokens


def make(*leading: int) -> HandTokens:
    return HandTokens(torch.randn(*leading, 1, 4), torch.randn(*leading, 6, 4), (2, 3))


def test_all_puts_the_prefix_first():
    tokens = make(2, 3)
    assert tokens.all.shape == (2, 3, 7, 4)
    assert torch.equal(tokens.all[..., :1, :], tokens.prefix)
    assert torch.equal(tokens.all[..., 1:, :], tokens.patches)


def test_with_all_undoes_all():
    tokens, other = make(2), make(2)
    same = tokens.with_all(other.all)
    assert torch.equal(same.prefix, other.prefix)
    assert torch.equal(same.patches, other.patches)
    assert same.grid == (2, 3)


def test_a_backbone_may_have_no_prefix():
    tokens = HandTokens(torch.zeros(2, 0, 4), torch.randn(2, 6, 4), (2, 3))
    assert torch.equal(tokens.all, tokens.patches)
    assert tokens.with_all(tokens.all).prefix.shape == (2, 0, 4)


def test_last_frame_keeps_the_time_dimension():
    tokens = make(2, 3)
    last = tokens.last_frame()
    assert last.prefix.shape == (2, 1, 1, 4)
    assert torch.equal(last.patches[:, 0], tokens.patches[:, 2])
