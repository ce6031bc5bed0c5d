import math
from itertools import product

import pytest
import torch
from torch import Tensor, nn

from handvit.models.layers import Attention

PRECISIONS = [(torch.float32, 1e-6), (torch.float64, 1e-12)]


def naive_attention(
    attention: Attention, query: Tensor, context: Tensor, times: tuple[Tensor, Tensor], mask: Tensor
) -> Tensor:
    """Loop over samples, heads, queries and context tokens; turn pairs as complex numbers."""
    head_dim = query.shape[-1] // attention.num_heads
    half = head_dim // 2
    frequency = 100.0 ** (-torch.arange(half, dtype=torch.float64) / half)

    def turn(x: Tensor, time: Tensor) -> Tensor:
        return torch.complex(x[:half], x[half:]) * torch.exp(1j * time * frequency)

    out = torch.zeros_like(query)
    for b, h, i in product(range(len(query)), range(attention.num_heads), range(query.shape[1])):
        part = slice(h * head_dim, (h + 1) * head_dim)
        q = turn((attention.to_query.weight @ query[b, i])[part], times[0][b, i])
        power = torch.zeros(context.shape[1], dtype=torch.float64)
        for j in mask[b, i].nonzero().flatten():
            k = turn((attention.to_key.weight @ context[b, j])[part], times[1][b, j])
            power[j] = torch.exp((q * k.conj()).real.sum() / math.sqrt(head_dim))
        values = (context[b] @ attention.to_value.weight.mT)[:, part]
        out[b, i, part] = power / power.sum() @ values
    return out @ attention.to_out.weight.mT + attention.to_out.bias


def random_mask(context: Tensor) -> Tensor:
    """Let each of 4 queries look at the first context token and at about half of the others."""
    mask = torch.rand(3, 4, context.shape[1]) < 0.5
    mask[..., 0] = True
    return mask


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


@pytest.mark.parametrize(("dtype", "atol"), PRECISIONS)
@pytest.mark.parametrize("to_itself", [False, True])
def test_agrees_with_a_naive_reference(query, context, to_itself, dtype, atol):
    context = query if to_itself else context
    attention = Attention(8, num_heads=2, context_dim=context.shape[-1]).double()
    times = torch.zeros(3, 4), torch.zeros(3, context.shape[1])
    everywhere = torch.ones(3, 4, context.shape[1], dtype=torch.bool)
    for mask in (None, random_mask(context)):
        seen = everywhere if mask is None else mask
        wanted = naive_attention(attention.double(), query, context, times, seen)
        out = attention.to(dtype)(query.to(dtype), context.to(dtype), mask)
        torch.testing.assert_close(out.double(), wanted, rtol=0, atol=atol)


@pytest.mark.parametrize(("dtype", "atol"), PRECISIONS)
@pytest.mark.parametrize("to_itself", [False, True])
def test_agrees_with_a_naive_reference_in_time(query, context, to_itself, dtype, atol):
    context = query if to_itself else context
    attention = Attention(8, num_heads=2, context_dim=context.shape[-1]).double()
    times = torch.randn(3, 4).double(), torch.randn(3, context.shape[1]).double()
    mask = random_mask(context)
    wanted = naive_attention(attention, query, context, times, mask)
    attention.to(dtype)
    projected = attention.project(context.to(dtype))
    out = attention.attend_in_time(query.to(dtype), projected, times, mask)
    torch.testing.assert_close(out.double(), wanted, rtol=0, atol=atol)


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
    q_time, k_time = torch.rand(3, 4).double(), torch.rand(3, 5).double()
    projected = attention.project(context)
    out = attention.attend_in_time(query, projected, (q_time, k_time))
    later = attention.attend_in_time(query, projected, (q_time + 2, k_time + 2))
    torch.testing.assert_close(out, later, rtol=0, atol=1e-12)
    other = attention.attend_in_time(query, projected, (q_time, 2 * k_time))
    assert not torch.allclose(out, other, atol=1e-3)


def test_equal_times_change_nothing(attention, query, context):
    times = torch.full((3, 4), 0.7), torch.full((3, 5), 0.7)
    out = attention.attend_in_time(query, attention.project(context), times)
    torch.testing.assert_close(out, attention(query, context), rtol=0, atol=1e-12)


def test_dropout_acts_in_training_only(query, context):
    attention = Attention(8, num_heads=2, context_dim=6, dropout=0.5).double()
    assert not torch.equal(attention(query, context), attention(query, context))
    attention.eval()
    assert torch.equal(attention(query, context), attention(query, context))


def test_dropout_is_a_module_that_can_be_warmed_up(query, context):
    attention = Attention(8, num_heads=2, context_dim=6, dropout=0.5).double()
    (dropout,) = (part for part in attention.modules() if isinstance(part, nn.Dropout))
    assert dropout.p == 0.5
    dropout.p = 0.0
    without = attention(query, context)
    assert torch.equal(without, attention.eval()(query, context))
    dropout.p = 0.9
    attention.train()
    assert not torch.allclose(attention(query, context), without)


def test_dropout_leaves_out_looks(query, context):
    """With everything dropped only the bias is left; looks that stay count the more."""
    attention = Attention(8, num_heads=2, context_dim=6, dropout=0.25).double()
    with torch.no_grad():
        mean = torch.stack([attention(query, context) for _ in range(2000)]).mean(0)
        wanted = attention.eval()(query, context)
    torch.testing.assert_close(mean, wanted, rtol=0, atol=0.05)


def test_projected_context_can_be_continued(attention, query, context):
    past, later = attention.project(context[:, :2]), attention.project(context[:, 2:])
    whole, joined = attention.project(context), past.followed_by(later)
    torch.testing.assert_close(joined, whole)
    assert torch.equal(joined.last(3).keys, joined.keys[:, :, 2:])
    assert torch.equal(joined.last(9).values, joined.values)


def test_heads_must_divide_the_width():
    with pytest.raises(ValueError, match="num_heads=3 does not divide the width 8"):
        Attention(8, num_heads=3, context_dim=8)


def test_gradients_reach_everything(attention, query, context):
    query.requires_grad_()
    context.requires_grad_()
    attention(query, context).square().sum().backward()
    assert all(p.grad.abs().sum() > 0 for p in attention.parameters())
    assert query.grad.abs().sum() > 0 and context.grad.abs().sum() > 0
