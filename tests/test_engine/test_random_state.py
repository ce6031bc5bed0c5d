import random

import numpy as np
import torch

from handvit.engine.random_state import get_random_state, set_random_state


def _draw():
    numbers = (torch.rand(()).item(), np.random.rand(), np.random.randn(), random.random())
    return [*numbers, random.gauss(0, 1)]


def test_the_same_numbers_come_again(tmp_path):
    np.random.randn()  # it draws two at once and keeps the second
    random.gauss(0, 1)
    torch.save(get_random_state(), tmp_path / "state.pt")
    expected = _draw()
    assert _draw() != expected
    set_random_state(torch.load(tmp_path / "state.pt", weights_only=True))
    assert _draw() == expected
