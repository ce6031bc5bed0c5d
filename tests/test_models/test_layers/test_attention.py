import pytest
import torch
from torch import nn

from handvit.models.layers import Attention


@pytest.fixture
def attention() -> Attention:
    return Attention(8, num_heads=2, context_dim=6).double()


@pytest.fixture
def query() -> torch.Tensor:
    return torch.randn(3, 4, 8, dtype=torch.float64)


@pytest.fixture
def context() -> torch.Tensor:
    return torch.randn(3, 5, 6, dtype=torch.float64)


def test_agrees_with_torch(attention, query, context):
    reference = nn.MultiheadAttention(8, 2, kdim=6, vdim=6, batch_first=True).double()
    with torch.no_grad():
        reference.q_proj_weight.copy_(attention.to_query.weight)
        reference.k_proj_weight.copy_(attention.to_key.weight)
        reference.v_proj_weight.copy_(attention.to_value.weight)
        reference.out_proj.weight.copy_(attention.to_out.weight)
        reference.out_proj.bias.copy_(attention.to_out.bias)
        reference.in_proj_bias.zero_()
    wanted = reference(query, context, context, need_weights=False)[0]
    torch.testing.assert_close(attention(query, context), wanted)


def test_masked_context_is_not_looked_at(attention, query, context):
    mask = torch.tensor([True, True, False, True, False]).expand(3, 4, 5)
    changed = context.clone()
    changed[:, [2, 4]] += 10
    torch.testing.assert_close(attention(query, context, mask), attention(query, changed, mask))
    kept = attention(query, context[:, [0, 1, 3]])
    torch.testing.assert_close(attention(query, context, mask), kept)


def test_one_context_token_is_returned_whatever_the_query(attention, query, context):
    out = attention(query, context[:, :1])
    wanted = attention.to_out(attention.to_value(context[:, :1]))
    torch.testing.assert_close(out, wanted.expand_as(out))


def test_only_time_differences_matter(attention, query, context):
    mask = torch.ones(3, 4, 5, dtype=torch.bool)
    q_time, k_time = torch.rand(3, 4), torch.rand(3, 5)
    out = attention.forward_in_time(query, context, (q_time, k_time), mask)
    later = attention.forward_in_time(query, context, (q_time + 2, k_time + 2), mask)
    torch.testing.assert_close(out, later, rtol=0, atol=1e-5)  # times are float32 inside
    other = attention.forward_in_time(query, context, (q_time, 2 * k_time), mask)
    assert not torch.allclose(out, other, atol=1e-3)


def test_equal_times_change_nothing(attention, query, context):
    mask = torch.ones(3, 4, 5, dtype=torch.bool)
    out = attention.forward_in_time(query, context, (torch.zeros(3, 4), torch.zeros(3, 5)), mask)
    torch.testing.assert_close(out, attention(query, context), rtol=0, atol=1e-6)


def test_dropout_acts_in_training_only(query, context):
    attention = Attention(8, num_heads=2, context_dim=6, dropout=0.5).double()
    assert not torch.equal(attention(query, context), attention(query, context))
    attention.eval()
    assert torch.equal(attention(query, context), attention(query, context))


def test_heads_must_divide_the_width():
    with pytest.raises(ValueError, match="num_heads=3 does not divide the width 8"):
        Attention(8, num_heads=3, context_dim=8)


def test_gradients_reach_everything(attention, query, context):
    query.requires_grad_()
    context.requires_grad_()
    attention(query, context).square().sum().backward()
    assert all(p.grad.abs().sum() > 0 for p in attention.parameters())
    assert query.grad.abs().sum() > 0 and context.grad.abs().sum() > 0
