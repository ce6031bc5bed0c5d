import random
from types import SimpleNamespace

import numpy as np
import torch

from handvit.engine.hooks import IterSeedHook


def _draw(seed, iteration):
    IterSeedHook().before_train_iter(SimpleNamespace(seed=seed, iter=iteration), 0)
    return torch.rand(3).tolist(), np.random.rand(3).tolist(), random.random()


def test_random_numbers_are_a_function_of_seed_and_iteration():
    assert _draw(1, 5) == _draw(1, 5)
    for numbers in zip(_draw(1, 5), _draw(1, 6), _draw(2, 5), strict=True):
        assert numbers[0] != numbers[1]
        assert numbers[0] != numbers[2]


def test_ranks_draw_different_numbers(monkeypatch):
    first = _draw(1, 5)
    monkeypatch.setattr("handvit.engine.hooks.iter_seed_hook.get_rank", lambda: 1)
    assert first[0] != _draw(1, 5)[0]
