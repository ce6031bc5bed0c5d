import cmath
import math
from itertools import product

import pytest
import torch

from handvit.models.layers import rotate_by_time


def test_time_zero_is_the_identity():
    x = torch.randn(2, 3, 4, 8)
    assert torch.equal(rotate_by_time(x, torch.zeros(2, 4)), x)


def test_hand_computed_value():
    """The pairs of (a, b, c, d) are (a, c), one radian a unit, and (b, d), slower by sqrt(100)."""
    x = torch.tensor([1.0, 1.0, 0.0, 0.0]).view(1, 1, 1, 4)
    turned = rotate_by_time(x, torch.tensor([[0.5]])).flatten()
    wanted = [math.cos(0.5), math.cos(0.05), math.sin(0.5), math.sin(0.05)]
    torch.testing.assert_close(turned, torch.tensor(wanted))


@pytest.mark.parametrize(("dtype", "atol"), [(torch.float32, 1e-6), (torch.float64, 1e-12)])
def test_agrees_with_complex_numbers(dtype, atol):
    x = torch.randn(2, 3, 5, 16, dtype=torch.float64)
    time = torch.randn(2, 5, dtype=torch.float64)
    wanted = torch.empty_like(x)
    for clip, token, pair in product(range(2), range(5), range(8)):
        turn = cmath.exp(1j * time[clip, token].item() * 100.0 ** (-pair / 8))
        for head in range(3):
            turned = turn * complex(x[clip, head, token, pair], x[clip, head, token, pair + 8])
            wanted[clip, head, token, pair] = turned.real
            wanted[clip, head, token, pair + 8] = turned.imag
    turned = rotate_by_time(x.to(dtype), time)
    assert turned.dtype == dtype
    torch.testing.assert_close(turned.double(), wanted, rtol=0, atol=atol)


def test_length_stays():
    x = torch.randn(2, 3, 4, 8)
    turned = rotate_by_time(x, 10 * torch.randn(2, 4))
    torch.testing.assert_close(turned.norm(dim=-1), x.norm(dim=-1))


def test_products_depend_on_time_differences():
    q, k = torch.randn(2, 1, 1, 1, 16, dtype=torch.float64)

    def score(q_time: float, k_time: float) -> float:
        q_turned = rotate_by_time(q, torch.tensor([[q_time]], dtype=torch.float64))
        k_turned = rotate_by_time(k, torch.tensor([[k_time]], dtype=torch.float64))
        return (q_turned * k_turned).sum().item()

    # 0.7 later, whenever it is and however many frames lie between.
    assert score(0.3, 1.0) == pytest.approx(score(5.3, 6.0), abs=1e-10)
    assert score(0.3, 1.0) == pytest.approx(score(-80.0, -79.3), abs=1e-10)
    assert score(0.3, 1.0) != pytest.approx(score(0.3, 1.5), abs=1e-2)
    assert score(0.3, 1.0) != pytest.approx(score(1.0, 0.3), abs=1e-2)


def test_clips_and_heads_are_independent():
    x = torch.randn(2, 3, 4, 8)
    time = torch.rand(2, 4)
    for clip in range(2):
        for head in range(3):
            alone = rotate_by_time(x[clip, head][None, None], time[clip][None])[0, 0]
            torch.testing.assert_close(rotate_by_time(x, time)[clip, head], alone)


def test_dtype_stays_and_gradient_turns_back():
    x = torch.randn(1, 1, 2, 4, requires_grad=True)
    time = torch.tensor([[0.2, 0.9]])
    rotate_by_time(x, time).backward(torch.ones_like(x))
    torch.testing.assert_close(x.grad, rotate_by_time(torch.ones_like(x), -time))
    assert rotate_by_time(x.bfloat16(), time).dtype == torch.bfloat16
